"""The Jinja that chat templates are written in: sandboxed, and set up as transformers does.

Belongs here: the environment. Does not: what is rendered (template.py). transformers is not imported, which
takes longer than rendering a partition; that both render the same text is tested.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

# Around what a template declares to be the assistant's, in a rendering that is asked for it.
OPEN_MARK, CLOSE_MARK = "\ue0f0", "\ue0f1"


class _Generation(Extension):
    """{% generation %}…{% endgeneration %}"""

    tags = {"generation"}  # noqa: RUF012  # as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("said"), [], [], body).set_lineno(line)

    def said(self, caller: Any) -> str:
        return str(caller())


class _MarkedGeneration(_Generation):
    def said(self, caller: Any) -> str:
        return f"{OPEN_MARK}{caller()}{CLOSE_MARK}"


class _Namespace(Namespace):
    """Templates come from anywhere: none may reach the interpreter through a name with underscores."""

    def __init__(*args: Any, **values: Any) -> None:
        self, *mappings = args
        known = dict(*mappings, **values)
        for name in known:
            _refuse_internal(name)
        Namespace.__init__(self, known)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_internal(name)
        super().__setitem__(name, value)


class _Dict:
    """What templates know as `dict`, and nothing else of it."""

    def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
        return dict(*args, **values)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


@lru_cache(maxsize=16)
def compiled(text: str, *, marking: bool = False) -> Template:
    """With `marking`, what is rendered within generation marks stands between OPEN_MARK and CLOSE_MARK."""
    return _environment(marking=marking).from_string(text)


def parsed(text: str) -> nodes.Template:
    return _environment(marking=False).parse(text)


@lru_cache(maxsize=2)
def _environment(*, marking: bool) -> ImmutableSandboxedEnvironment:
    generation = _MarkedGeneration if marking else _Generation
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _raise, "dict": _Dict(), "namespace": _Namespace}
    del environment.filters["random"], environment.globals["lipsum"]  # the same record, other bytes
    return environment


def _refuse_internal(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a chat template may not set {name!r}")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own would escape what is special in HTML."""
    options: dict[str, Any] = {"indent": indent, "separators": separators, "sort_keys": sort_keys}
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise(message: str) -> None:
    raise TemplateError(message)
