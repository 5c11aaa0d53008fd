"""Conversations with placeholders for what people and models wrote, to see what a template writes itself.

Belongs here: putting placeholders in, finding them in a rendering, and the texts again in the real one.
Does not: whose turn is where (turns.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from medallion_assets.package.render.jinja import parsed
from medallion_assets.package.render.template import Message, with_aliases

PREFIX = "Zq7xK"
PLACEHOLDER = re.compile(PREFIX + r"(\d+)e")
WORDS_OF_A_CALL = ("name", "arguments", "parameters")
SPOKEN_KEYS = ("content", "reasoning_content")


@dataclass(frozen=True)
class Shown:
    """A placeholder that a rendering shows, and where."""

    slot: int
    start: int
    end: int


@dataclass(frozen=True)
class Rendering:
    """A text with placeholders, and what they stand for in their order."""

    text: str
    shown: tuple[Shown, ...]


@dataclass
class Veil:
    """Messages with placeholders; by slot, the message that it belongs to and the text that it stands for.

    Texts are cut at what the template looks for in them, which stays.
    """

    messages: list[Message] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def text(self, message: int, text: str, cuts: re.Pattern[str] | None) -> str:
        if cuts is None:
            return self._placeholder(message, text)
        parts = cuts.split(text)
        if not any(part.strip() for part in parts[::2]):  # such a text would stay in sight, as if unsaid
            return self._placeholder(message, text)
        parts[::2] = [self._placeholder(message, part) for part in parts[::2]]
        return "".join(parts)

    def is_unmistakable(self) -> bool:
        """Whether nothing that stayed as it was spells a placeholder."""
        shown = [{key: message[key] for key in message if key != "thinking"} for message in self.messages]
        return repr(shown).count(PREFIX) == len(self.texts)

    def _placeholder(self, message: int, text: str) -> str:
        if not text or text.isspace():
            return text
        self.owners.append(message)
        self.texts.append(text)
        return f"{PREFIX}{len(self.texts) - 1}e"


def veiled(messages: Sequence[Message], template: str, *, roles: Callable[[str], bool]) -> Veil:
    """The messages of these roles behind placeholders, the others as they are."""
    veil, cuts = Veil(), sought_texts(template)
    for number, message in enumerate(messages):
        hidden = _behind(veil, number, message, cuts) if roles(message["role"]) else message
        veil.messages.append(hidden)
    return veil


def rendering(text: str) -> Rendering:
    found = PLACEHOLDER.finditer(text)
    return Rendering(text, tuple(Shown(int(each[1]), each.start(), each.end()) for each in found))


def places(veiled: Rendering, texts: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Where in `text` each shown slot's own text is, if the rest is to the letter what the template wrote."""
    scaffold = scaffold_of(veiled)
    if not text.startswith(scaffold[0]):
        return None
    found, at = [], len(scaffold[0])
    for shown, after in zip(veiled.shown, scaffold[1:], strict=True):
        end = _end_of(texts[shown.slot], text, at, after)
        if end is None:
            return None
        found.append((at, end))
        at = end + len(after)
    return found if at == len(text) else None


def scaffold_of(veiled: Rendering) -> list[str]:
    """What the template wrote before, between and after what it shows."""
    borders = [0, *(at for shown in veiled.shown for at in (shown.start, shown.end)), len(veiled.text)]
    return [veiled.text[borders[at] : borders[at + 1]] for at in range(0, len(borders), 2)]


@lru_cache(maxsize=16)
def sought_texts(template: str) -> re.Pattern[str] | None:
    """Texts of the template's own code, such as </think>, that it may look for in what was written."""
    constants = {node.value for node in parsed(template).find_all(nodes.Const) if isinstance(node.value, str)}
    telling = [text.strip() for text in constants if re.search(r"[^\w\s.,:]", text) and len(text.strip()) > 1]
    longest_first = sorted(telling, key=lambda text: (-len(text), text))
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if telling else None


def _behind(veil: Veil, number: int, message: Message, cuts: re.Pattern[str] | None) -> Message:
    hidden = {key: message[key] for key in message if key != "thinking"}
    for key in SPOKEN_KEYS:
        if key in message:
            hidden[key] = veil.text(number, message[key], cuts)
    if "tool_calls" in message:
        replace = lambda text: veil.text(number, text, None)  # noqa: E731
        hidden["tool_calls"] = [_call(call, replace) for call in message["tool_calls"]]
    return with_aliases(hidden)


def _call(call: Any, replace: Callable[[str], str]) -> Any:
    if not isinstance(call, dict):
        return call
    if isinstance(call.get("function"), dict):
        return {**call, "function": _call(call["function"], replace)}
    return {key: _leaves(call[key], replace) if key in WORDS_OF_A_CALL else call[key] for key in call}


def _leaves(value: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [_leaves(item, replace) for item in value]
    if isinstance(value, dict):
        return {key: _leaves(item, replace) for key, item in value.items()}
    return value


def _end_of(slot: str, text: str, at: int, after: str) -> int | None:
    for form in _forms(slot):
        if text.startswith(form, at) and text.startswith(after, at + len(form)):
            return at + len(form)
    return None


def _forms(text: str) -> Iterator[str]:
    """What templates make of a text: as it is, without space around, or as JSON spells it."""
    yield from _trimmed(text)
    for ascii_only in (False, True):
        for form in _trimmed(text):
            yield json.dumps(form, ensure_ascii=ascii_only)[1:-1]


def _trimmed(text: str) -> Iterable[str]:
    lines = (text.rstrip("\n"), text.lstrip("\n"), text.strip("\n"))
    return dict.fromkeys((text, *lines, text.rstrip(), text.lstrip(), text.strip()))
