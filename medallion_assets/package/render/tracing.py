"""Proof that a template does nothing with a text but show it, so that rendering is joining strings.

Belongs here: strings that watch what is done with them, and which templates can be watched. Does not: what is
made of a trace (joining.py).

A template is rendered with watched strings in place of what was written. Where it asks one a question whose
answer is yes or no (is it empty, does it contain </think>), question and answer are noted: any other text
that gives the same answers leads it down the same path. Anything else that looks into a text ends the trace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from medallion_assets.package.render.jinja import parsed
from medallion_assets.package.render.veil import PREFIX

# Ends in what JSON, HTML or repr() would write otherwise, so that a text shown in such a form is not found.
TAIL = "e\"'\\é&<"
WATCHED = re.compile(PREFIX + r"(\d+)" + re.escape(TAIL))
Strip = tuple[str, str | None]

ALLOWED_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.NSRef, nodes.Getattr),
    *(nodes.Getitem, nodes.For, nodes.If, nodes.CondExpr, nodes.Assign, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Neg, nodes.Test, nodes.Filter, nodes.Call),
    *(nodes.Keyword, nodes.List, nodes.Tuple, nodes.Slice, nodes.Break, nodes.Continue, nodes.CallBlock),
    nodes.ExtensionAttribute,
)
ALLOWED_FILTERS = frozenset({"trim", "string", "tojson", "default", "d", "length", "count", "first", "last"})
ALLOWED_METHODS = frozenset({"strip", "lstrip", "rstrip", "startswith", "endswith", "get", "split"})
ALLOWED_FUNCTIONS = frozenset({"namespace", "raise_exception", "strftime_now", "range", "dict"})
# A plain string or the clock that is given a text by these looks into it unseen.
LOOKING = frozenset({"trim", "strip", "lstrip", "rstrip", "startswith", "endswith", "split", "strftime_now"})


class Untraceable(Exception):
    """The template looks into a text in a way that can't be followed."""


@dataclass(frozen=True)
class Question:
    """What a template asked of a text, after stripping it so."""

    text: int
    strips: tuple[Strip, ...]
    method: str
    argument: Any
    answer: bool


@dataclass
class Trace:
    """The texts that a conversation holds, what was asked of them, and the number of each form of each."""

    texts: list[str]
    questions: dict[Question, None] = field(default_factory=dict)
    forms: dict[tuple[int, tuple[Strip, ...]], int] = field(default_factory=dict)

    def watched(self, text: int) -> str:
        return _Watched(self, text, ())


def stripped(text: str, strips: tuple[Strip, ...]) -> str:
    for method, characters in strips:
        text = getattr(text, method)(characters)
    return text


@lru_cache(maxsize=16)
def can_be_traced(template: str) -> bool:
    """Whether all that the template does with a text goes through the string's own methods, or shows it.

    What a macro or a join makes is a plain string, and what is then asked of it would go unseen.
    """
    tree = parsed(template)
    return all(_can_be_traced(node) for node in tree.find_all(nodes.Node))


def _can_be_traced(node: nodes.Node) -> bool:
    match node:
        case nodes.Filter(name=name):
            return name in ALLOWED_FILTERS and _is_given_no_text(name, node)
        case nodes.Call(node=nodes.Getattr(attr=name)):
            return name in ALLOWED_METHODS and _is_given_no_text(name, node)
        case nodes.Call(node=nodes.Name(name=name)):
            return name in ALLOWED_FUNCTIONS and _is_given_no_text(name, node)
        case nodes.CallBlock(call=nodes.Call(node=called)):
            return isinstance(called, nodes.ExtensionAttribute)
        case nodes.For(recursive=recursive):
            return not recursive
        case nodes.Mod(right=right):
            return isinstance(right, nodes.Const)
        case nodes.Compare(expr=left, ops=ops):
            compared = zip([left, *(each.expr for each in ops)], ops, strict=False)
            return all(_is_seen(before, operand) for before, operand in compared)
        case nodes.Test(name="in"):
            return False
    return isinstance(node, ALLOWED_NODES)


def _is_given_no_text(name: str, node: Any) -> bool:
    given = [*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs]
    return name not in LOOKING or all(each is None or isinstance(each, nodes.Const) for each in given)


def _is_seen(left: nodes.Expr, operand: nodes.Operand) -> bool:
    """A plain string that is asked whether it holds a text looks unseen; a list asks the text itself."""
    asks = operand.op not in ("in", "notin") or isinstance(operand.expr, nodes.List | nodes.Tuple)
    return asks or isinstance(left, nodes.Const)


def _answer(text: str, method: str, argument: Any) -> bool:
    if method == "__bool__":
        return bool(text)
    return bool(getattr(text, method)(argument))


class _Seen(str):
    """A string that can be shown and added to; nothing else."""

    def __new__(cls, content: str) -> _Seen:
        return str.__new__(cls, content)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in type(self).__dict__:
            return super().__getattribute__(name)
        raise Untraceable(name)

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return _Seen(str.__add__(self, other))

    def __radd__(self, other: str) -> str:
        return _Seen(str.__add__(other, self))

    def _end(self, *_: Any, **__: Any) -> Any:
        raise Untraceable

    __contains__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _end
    __hash__ = __len__ = __iter__ = __getitem__ = __mod__ = __rmod__ = _end
    __mul__ = __rmul__ = __format__ = __bool__ = _end


class _Watched(_Seen):
    """One text, stripped in some way, or as it was."""

    _trace: Trace
    _text: int
    _strips: tuple[Strip, ...]

    def __new__(cls, trace: Trace, text: int, strips: tuple[Strip, ...]) -> _Watched:
        number = trace.forms.setdefault((text, strips), len(trace.forms))
        self = str.__new__(cls, f"{PREFIX}{number}{TAIL}")
        self._trace, self._text, self._strips = trace, text, strips
        return self

    def strip(self, characters: Any = None, /) -> str:
        return self._stripped("strip", characters)

    def lstrip(self, characters: Any = None, /) -> str:
        return self._stripped("lstrip", characters)

    def rstrip(self, characters: Any = None, /) -> str:
        return self._stripped("rstrip", characters)

    def startswith(self, prefix: Any, /) -> bool:  # type: ignore[override]
        return self._ask("startswith", prefix)

    def endswith(self, suffix: Any, /) -> bool:  # type: ignore[override]
        return self._ask("endswith", suffix)

    def __contains__(self, part: Any) -> bool:
        return self._ask("__contains__", part)

    def __eq__(self, other: Any) -> bool:
        return self._ask("__eq__", other)

    def __ne__(self, other: Any) -> bool:
        return not self._ask("__eq__", other)

    def __bool__(self) -> bool:
        return self._ask("__bool__", None)

    __hash__ = _Seen._end

    def _stripped(self, method: str, characters: Any) -> str:
        if characters is not None and type(characters) is not str:
            raise Untraceable
        return _Watched(self._trace, self._text, (*self._strips, (method, characters)))

    def _ask(self, method: str, argument: Any) -> bool:
        if argument is not None and type(argument) is not str:
            raise Untraceable
        answer = _answer(stripped(self._trace.texts[self._text], self._strips), method, argument)
        self._trace.questions[Question(self._text, self._strips, method, argument, answer)] = None
        return answer
