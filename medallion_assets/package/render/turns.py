"""Which part of a rendered conversation the assistant wrote, for any template, with proof or not at all.

Belongs here: the borders of the assistant's turns among placeholders (veil.py). Does not: token ids
(encode.py).

A turn begins where the generation prompt ends, so that what the template puts in between, such as an empty
<think></think>, is learned: at inference the model has to write it. It ends with its end mark; space after
the mark is not learned, as nothing reads on there. Generation marks of the template's own go before all this.
A turn of which the template shows less than was said, as reasoning templates do with earlier turns, is
context.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import NamedTuple

from medallion_assets.package.render.template import ChatTemplate, Message, Setting
from medallion_assets.package.render.veil import Rendering, Shown, rendering
from medallion_assets.records import Rejected

# What templates write around turns: <|end|>, <end_of_turn>, [/INST]. Usually one token each.
TAG = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")


class Span(NamedTuple):
    """Offsets of what is learned. A token may begin anywhere from `start` to `said`, the first word of the
    assistant's own, and end anywhere from `end`, that of the end mark, to `last`."""

    start: int
    said: int
    end: int
    last: int


@dataclass(frozen=True)
class Turn:
    """An assistant's turn; no spans where the template shows less of it than was said."""

    message: int
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Veiled:
    """A conversation behind placeholders, and all that may be asked of its template."""

    template: ChatTemplate
    messages: Sequence[Message]
    owners: Sequence[int]
    setting: Setting
    read: Callable[[str], Rendering] = rendering

    def rendered(self, count: int, *, prompt: bool = False) -> Rendering:
        """The first `count` messages."""
        try:
            return self.read(self.template.render(self.messages[:count], self.setting, prompt=prompt))
        except Rejected as reject:
            detail = f"cut off after turn {count}, the conversation can't be rendered: {reject.detail}"
            raise Rejected("mask_unclear", detail) from reject

    def owner(self, shown: Shown) -> int:
        return self.owners[shown.slot]

    def said(self, message: int) -> set[int]:
        return {slot for slot, owner in enumerate(self.owners) if owner == message}


def turns_of(talk: Veiled, whole: Rendering) -> list[Turn]:
    """The assistant's turns in `whole`, its rendering. Raises Rejected where one can't be told."""
    marks = talk.template.marked(talk.messages, talk.setting) if talk.template.is_marked else None
    speaking = [at for at, message in enumerate(talk.messages) if message["role"] == "assistant"]
    if marks is not None:
        return _marked_turns(talk, whole, speaking, marks)
    return [_unmarked_turn(talk, whole, message) for message in speaking]


def _marked_turns(
    talk: Veiled, whole: Rendering, speaking: Sequence[int], marks: Sequence[tuple[int, int]]
) -> list[Turn]:
    spans: dict[int, list[Span]] = {message: [] for message in speaking}
    covered: dict[int, set[int]] = {message: set() for message in speaking}
    for start, end in marks:
        within = [shown for shown in whole.shown if start <= shown.start and shown.end <= end]
        before = [shown for shown in whole.shown if shown.end <= start]
        owners = {talk.owner(shown) for shown in within or before[-1:]}
        if within and (len(owners) != 1 or not owners <= spans.keys()):
            raise Rejected("mask_unclear", "a generation mark of the template holds more than one turn")
        if start == end or not owners or not owners <= spans.keys():
            continue  # a turn of which nothing is shown
        (message,) = owners
        spans[message].append(Span(start, within[0].start if within else end, end, end))
        covered[message] |= {shown.slot for shown in within}
    return [_marked_turn(talk, whole, message, spans[message], covered[message]) for message in speaking]


def _marked_turn(
    talk: Veiled, whole: Rendering, message: int, spans: Sequence[Span], covered: set[int]
) -> Turn:
    shown = talk.said(message) & {each.slot for each in whole.shown}
    if shown < talk.said(message) or not shown:
        return Turn(message, ())
    if covered < shown:
        raise Rejected(
            "mask_unclear", f"the template's generation marks leave out some of turn {message + 1}"
        )
    return Turn(message, tuple(spans))


def _unmarked_turn(talk: Veiled, whole: Rendering, message: int) -> Turn:
    said = talk.said(message)
    upto = whole if message + 1 == len(talk.messages) else talk.rendered(message + 1)
    own = _own_at_the_end(talk, upto, message)
    first = next((at for at, shown in enumerate(whole.shown) if shown.slot in said), None)
    if first is None or not said <= {shown.slot for shown in own}:
        return Turn(message, ())
    here = whole.shown[first : first + len(own)]
    if not said <= {shown.slot for shown in here}:
        return _hidden_or_unclear(talk, whole, message)
    if [shown.slot for shown in here] != [shown.slot for shown in own]:
        raise Rejected("mask_unclear", f"the template rewrites turn {message + 1} once it is not the last")
    start = _start(talk, whole, message, first)
    end, last = _end(talk, whole, message, (upto.text[own[-1].end :], first + len(own)))
    return Turn(message, (Span(start, here[0].start, end, last),))


def _hidden_or_unclear(talk: Veiled, whole: Rendering, message: int) -> Turn:
    if talk.said(message) <= {shown.slot for shown in whole.shown}:
        raise Rejected("mask_unclear", f"the template scatters turn {message + 1}")
    return Turn(message, ())


def _own_at_the_end(talk: Veiled, upto: Rendering, message: int) -> tuple[Shown, ...]:
    """What a rendering shows of its last message."""
    others = [at for at, shown in enumerate(upto.shown) if talk.owner(shown) != message]
    return upto.shown[others[-1] + 1 if others else 0 :]


def _start(talk: Veiled, whole: Rendering, message: int, first: int) -> int:
    """Where the generation prompt ends, as far as it is there: some prompts begin the model's thoughts."""
    prompt = talk.rendered(message, prompt=True)
    border = whole.shown[first - 1].end if first else 0
    if _last_slot(prompt) != (whole.shown[first - 1].slot if first else None):
        raise Rejected("mask_unclear", f"the template rewrites what precedes turn {message + 1}")
    shared = _shared(_tail(prompt), whole.text[border : whole.shown[first].start])
    if shared < len(_tail(prompt)) and shared <= _shared(_tail(prompt), _tail(talk.rendered(message))):
        raise Rejected("mask_unclear", f"turn {message + 1} begins otherwise than the generation prompt")
    return border + shared


def _shared(one: str, other: str) -> int:
    """The length of what both begin with, up to a tag or control token in which they part."""
    length = len(commonprefix([one, other]))  # noqa: RUF071  # texts, not paths
    if length < len(one):
        tags = [tag for text in (one, other) for tag in TAG.finditer(text)]
        length = min([length, *(tag.start() for tag in tags if tag.start() < length < tag.end())])
    return length


def _end(talk: Veiled, whole: Rendering, message: int, after: tuple[str, int]) -> tuple[int, int]:
    """Where the end mark ends, and where the space after it does; `after` is what follows the turn when it
    is the last, and the number of what is shown next."""
    closing, following = after
    border = whole.shown[following - 1].end
    rest = whole.text[border : whole.shown[following].start if following < len(whole.shown) else None]
    if not rest.startswith(closing):
        otherwise = _closing_before_a_prompt(talk, message)
        if otherwise is None or not rest.startswith(otherwise):
            raise Rejected("mask_unclear", f"the template's end mark of turn {message + 1} can't be told")
        closing = otherwise
    return border + len(closing.rstrip()), border + len(closing)


def _closing_before_a_prompt(talk: Veiled, message: int) -> str | None:
    """What ends a turn after which the assistant is to speak again, for templates that end the last turn
    otherwise: what follows the turn, but for the generation prompt, known from the turn's own."""
    before, asked = talk.rendered(message), talk.rendered(message, prompt=True)
    if _last_slot(before) != _last_slot(asked):
        return None
    prompt = _tail(asked)[_shared(_tail(before), _tail(asked)) :]
    follows = _tail(talk.rendered(message + 1, prompt=True))
    return follows.removesuffix(prompt) if prompt and follows.endswith(prompt) else None


def _last_slot(shown: Rendering) -> int | None:
    return shown.shown[-1].slot if shown.shown else None


def _tail(shown: Rendering) -> str:
    """What follows the last placeholder."""
    return shown.text[shown.shown[-1].end :] if shown.shown else shown.text
