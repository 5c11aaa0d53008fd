"""Plain conversations rendered by joining strings, where the template is proven to do no more (tracing.py).

Belongs here: plans, one for each form that conversations have. Does not: conversations with tools, or that no
plan fits, which are rendered as any (render.py); control tokens in what was written, which show as ids.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from medallion_assets.package.render import NOT_SHOWN, Rendered, bytes_of
from medallion_assets.package.template import ChatTemplate, Message, Setting, with_aliases
from medallion_assets.package.tracing import (
    WATCHED,
    Question,
    Strip,
    Trace,
    Untraceable,
    can_be_traced,
    stripped,
)
from medallion_assets.package.turns import Span, Turn, Veiled, turns_of
from medallion_assets.package.veil import PREFIX, Rendering, Shown, scaffold_of
from medallion_assets.records import Rejected

# A template that asks so many things of a form's texts is no faster when watched.
MOST_PLANS_OF_A_FORM = 16
MOST_FORMS = 4096
# Of so many conversations one is rendered by the template too, and must come out the same.
COMPARED_SHARE = 64


class JoinedOtherwise(AssertionError):
    """A conversation that its plan renders otherwise than the template does."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A conversation without tools: by message its role and content, and its reasoning if any has one."""

    roles: tuple[str, ...]
    contents: Sequence[str]
    thoughts: Sequence[str | None] | None
    day: date
    prompt: bool = False

    @property
    def form(self) -> object:
        thinking = None if self.thoughts is None else tuple(each is not None for each in self.thoughts)
        return self.roles, thinking, self.day, self.prompt

    def texts(self) -> list[str]:
        """What was written, in order."""
        if self.thoughts is None:
            return list(self.contents)
        both = zip(self.contents, self.thoughts, strict=True)
        return [text for pair in both for text in pair if text is not None]

    def messages(self, texts: Sequence[str]) -> list[Message]:
        """As templates want them, with these texts in place of its own."""
        remaining, messages = iter(texts), []
        for place, role in enumerate(self.roles):
            message = {"role": role, "content": next(remaining)}
            if self.thoughts is not None and self.thoughts[place] is not None:
                message["reasoning_content"] = next(remaining)
            messages.append(with_aliases(message))
        return messages

    def owners(self) -> list[int]:
        """By text, the message that it is of."""
        return [
            place
            for place in range(len(self.roles))
            for _ in range(1 + (self.thoughts is not None and self.thoughts[place] is not None))
        ]


@dataclass(frozen=True, slots=True)
class Border:
    """A place in a text to be joined: so many bytes of the template's and so many of the texts before it."""

    written: int
    texts: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Pieces of the template's with texts between them, right for all texts that answer the questions so."""

    questions: tuple[Question, ...]
    pieces: tuple[str, ...]
    shown: tuple[tuple[int, tuple[Strip, ...]], ...]
    turns: tuple[tuple[int, tuple[tuple[Border, ...], ...]], ...]
    size: int
    control: int

    def fits(self, texts: Sequence[str]) -> bool:
        return all(question.same_for(texts[question.text]) for question in self.questions)

    def joined(self, texts: Sequence[str]) -> tuple[str, list[int]]:
        """The text, and by place how many bytes of what was written come before it."""
        parts = list(self.pieces)
        shown = [stripped(texts[text], strips) if strips else texts[text] for text, strips in self.shown]
        parts[1::2] = shown
        return "".join(parts), [0, *accumulate(map(bytes_of, shown))]

    def rendered(self, texts: Sequence[str], train: Sequence[bool]) -> Rendered | Rejected:
        text, before = self.joined(texts)
        spans, unshown = [], 0
        for message, borders in self.turns:
            if train[message]:
                unshown += not borders
                for span in borders:
                    spans.append(Span(*[border.written + before[border.texts] for border in span]))  # noqa: PERF401
        if unshown and not spans:
            return Rejected("turn_not_shown", NOT_SHOWN)
        return Rendered(text, self.size + before[-1], spans, unshown, self.control)


class Joiner:
    """Finds and makes the plans of one template. `control` sums up the control tokens of a text."""

    def __init__(self, template: ChatTemplate, control: Callable[[str], int]) -> None:
        self._template = template
        self._control = control
        self._plans: dict[object, list[Plan | None]] = {}  # None for each that could not be made
        self._traceable = can_be_traced(template.text)
        self._rendered = 0

    def rendered(self, plain: Plain, train: Sequence[bool]) -> Rendered | Rejected | None:
        """None where this conversation is not one to join."""
        texts = plain.texts()
        if not self._traceable or any(not text or text.isspace() for text in texts):
            return None
        plan = self._plan(plain, texts)
        if plan is None:
            return None
        rendered = plan.rendered(texts, train)
        self._rendered += 1
        if self._rendered % COMPARED_SHARE == 0 and plan.joined(texts)[0] != self._real(plain, texts):
            raise JoinedOtherwise(f"the plan of {plain.roles} differs from the template for {texts!r:.500}")
        return rendered

    def _plan(self, plain: Plain, texts: Sequence[str]) -> Plan | None:
        plans = self._plans.get(plain.form)
        if plans is None:
            if len(self._plans) == MOST_FORMS:
                self._plans.clear()
            plans = self._plans[plain.form] = []
        for plan in plans:
            if plan is not None and plan.fits(texts):
                return plan
        if len(plans) == MOST_PLANS_OF_A_FORM:
            return None
        plans.append(self._made(plain, texts))
        return plans[-1]

    def _made(self, plain: Plain, texts: Sequence[str]) -> Plan | None:
        try:
            plan = self._traced(plain, Trace(list(texts)))
            real = self._real(plain, texts)
        except (Untraceable, Rejected):
            return None
        return plan if plan.joined(texts)[0] == real else None

    def _real(self, plain: Plain, texts: Sequence[str]) -> str:
        return self._template.render(plain.messages(texts), Setting(None, plain.day), prompt=plain.prompt)

    def _traced(self, plain: Plain, trace: Trace) -> Plan:
        watched = plain.messages([trace.watched(text) for text in range(len(trace.texts))])

        def read(text: str) -> Rendering:
            forms = list(trace.forms)
            found = WATCHED.finditer(text)
            return Rendering(
                text, tuple(Shown(forms[int(each[1])][0], each.start(), each.end()) for each in found)
            )

        talk = Veiled(self._template, watched, plain.owners(), Setting(None, plain.day), read)
        whole = talk.rendered(len(watched), prompt=plain.prompt)
        turns = [] if plain.prompt else turns_of(talk, whole)
        pieces = scaffold_of(whole)
        if any(PREFIX in piece for piece in pieces):
            raise Untraceable
        forms = list(trace.forms)
        return Plan(
            tuple(trace.questions),
            tuple(part for piece in pieces for part in (piece, ""))[:-1],
            tuple(forms[int(found[1])] for found in WATCHED.finditer(whole.text)),
            tuple((turn.message, _borders(turn, whole, pieces)) for turn in turns),
            sum(map(bytes_of, pieces)),
            self._control("x".join(pieces)),
        )


def _borders(turn: Turn, whole: Rendering, pieces: Sequence[str]) -> tuple[tuple[Border, ...], ...]:
    ends = [0, *(shown.end for shown in whole.shown)]
    before = [0, *accumulate(map(bytes_of, pieces))]

    def border(at: int) -> Border:
        piece = bisect_right(ends, at) - 1
        return Border(before[piece] + bytes_of(pieces[piece][: at - ends[piece]]), piece)

    return tuple(tuple(border(at) for at in span) for span in turn.spans)
