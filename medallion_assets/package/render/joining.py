"""Plain conversations rendered by joining strings, where the template is proven to do no more (tracing.py).

Belongs here: plans, one or a few for each form of conversations, and rendering whole groups by them. Does
not: what no plan fits, which is rendered as any conversation (render.py); control tokens in what was written,
which the ids show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.render.plain import Flags, Form, Group, Numbers, byte_lengths
from medallion_assets.package.render.rendered_batch import Joined, RenderedBatch, bytes_of
from medallion_assets.package.render.template import ChatTemplate, Setting
from medallion_assets.package.render.tracing import (
    WATCHED,
    Question,
    Strip,
    Trace,
    Untraceable,
    can_be_traced,
    stripped,
)
from medallion_assets.package.render.turns import Veiled, turns_of
from medallion_assets.package.render.veil import PREFIX, Rendering, Shown, scaffold_of
from medallion_assets.records import Rejected

# How many plans are remembered. Beyond that they are made anew, so that what is joined never depends on what
# came before.
MOST_PLANS_OF_A_FORM = 16
MOST_FORMS = 4096
# Of so many conversations one is rendered by the template too, and the first of each form in a batch; they
# must come out the same.
COMPARED_SHARE = 512
PREDICATES: dict[str, Callable[[pa.Array, str], pa.Array]] = {
    "__contains__": pc.match_substring,
    "startswith": pc.starts_with,
    "endswith": pc.ends_with,
    "__eq__": pc.equal,
}


class JoinedOtherwise(AssertionError):
    """A conversation that its plan renders otherwise than the template does."""


@dataclass(frozen=True)
class Plan:
    """Pieces of the template's with texts between them, right for all texts that answer the questions so.

    `spans` are by span four borders of two numbers: so many bytes of the template's, and so many of the
    texts, come before. `speakers` are the messages of the spans, `unshown` those that are not shown whole.
    """

    questions: tuple[Question, ...]
    pieces: tuple[str, ...]
    shown: tuple[tuple[int, tuple[Strip, ...]], ...]
    spans: Numbers
    speakers: tuple[int, ...]
    unshown: tuple[int, ...]
    control: int

    def fitting(self, group: Group) -> Flags:
        fits = np.ones(len(group.rows), np.bool_)
        for asked in self.questions:
            if asked.method != "__bool__":  # none of the texts is blank
                text = _strip(group.texts[asked.text], asked.strips)
                answers = PREDICATES[asked.method](text, asked.argument).to_numpy(zero_copy_only=False)
                fits &= answers == asked.answer
        return fits

    def joined(self, group: Group) -> Joined:
        shown = [_strip(group.texts[text], strips) for text, strips in self.shown]
        pieces = [pa.scalar(piece, pa.large_string()) for piece in (*self.pieces, "")]
        parts = [part for pair in zip(pieces, shown, strict=False) for part in pair]
        texts = pc.binary_join_element_wise(*parts, *pieces[-2:])
        before = np.zeros((len(group.rows), len(shown) + 1), np.int64)
        for place, text in enumerate(shown):
            before[:, place + 1] = before[:, place] + byte_lengths(text)
        spans = self.spans[:, :, 0] + before[:, self.spans[:, :, 1]]
        return Joined(
            group.rows,
            texts.to_numpy(zero_copy_only=False).tolist(),
            before[:, -1] + sum(map(bytes_of, self.pieces)),
            spans,
            group.train[:, list(self.speakers)],
            group.train[:, list(self.unshown)].sum(axis=1),
            self.control,
        )


class Joiner:
    """Finds and makes the plans of one template. `control` sums up the control tokens of a text."""

    def __init__(self, template: ChatTemplate, control: Callable[[str], int], *, prompt: bool) -> None:
        self._template = template
        self._control = control
        self._prompt = prompt
        self._plans: dict[Form, list[Plan]] = {}
        self._traceable = can_be_traced(template.text)

    def join(self, group: Group, into: RenderedBatch) -> None:
        """Puts into the batch what can be joined; the rest is left."""
        left, plans = group, self._known(group.form)
        for plan in plans:
            left = self._join_by(plan, left, into)
        while self._traceable and len(left.rows):
            made = self._made(left.of(np.zeros(1, np.int64)))
            if made is None:
                left = left.of(np.arange(1, len(left.rows)))
                continue
            left = self._join_by(made, left, into)
            if len(plans) < MOST_PLANS_OF_A_FORM:
                plans.append(made)

    def _known(self, form: Form) -> list[Plan]:
        if len(self._plans) == MOST_FORMS and form not in self._plans:
            self._plans.clear()
        return self._plans.setdefault(form, [])

    def _join_by(self, plan: Plan, group: Group, into: RenderedBatch) -> Group:
        """Puts those that the plan fits into the batch, and returns the others."""
        fits = plan.fitting(group)
        if not fits.any():
            return group
        chosen = group if fits.all() else group.of(np.flatnonzero(fits))
        joined = plan.joined(chosen)
        for place in range(0, len(chosen.rows), COMPARED_SHARE):
            if joined.texts[place] != self._real(chosen, place):
                raise JoinedOtherwise(f"a plan differs from the template for {joined.texts[place]!r:.500}")
        into.put_joined(joined)
        return group.of(np.flatnonzero(~fits))

    def _made(self, group: Group) -> Plan | None:
        """A plan for a group of one."""
        texts = [text[0].as_py() for text in group.texts]
        try:
            plan = self._traced(group.form, Trace(texts))
            same = plan.joined(group).texts[0] == self._real(group, 0)
        except (Untraceable, Rejected):
            return None
        return plan if same and plan.fitting(group).all() else None

    def _real(self, group: Group, place: int) -> str:
        texts = [text[place].as_py() for text in group.texts]
        setting = Setting(None, group.form.day)
        return self._template.render(group.form.messages(texts), setting, prompt=self._prompt)

    def _traced(self, form: Form, trace: Trace) -> Plan:
        watched = form.messages([trace.watched(text) for text in range(len(trace.texts))])

        def read(text: str) -> Rendering:
            forms = list(trace.forms)
            found = [(forms[int(each[1])][0], *each.span()) for each in WATCHED.finditer(text)]
            return Rendering(text, tuple(Shown(*each) for each in found))

        talk = Veiled(self._template, watched, form.owners(), Setting(None, form.day), read)
        whole = talk.rendered(len(watched), prompt=self._prompt)
        turns = [] if self._prompt else turns_of(talk, whole)
        pieces = scaffold_of(whole)
        if any(PREFIX in piece for piece in pieces):
            raise Untraceable
        spans = [_borders(span, whole, pieces) for turn in turns for span in turn.spans]
        forms = list(trace.forms)
        return Plan(
            tuple(trace.questions),
            tuple(pieces),
            tuple(forms[int(found[1])] for found in WATCHED.finditer(whole.text)),
            np.array(spans, np.int64).reshape(-1, 4, 2),
            tuple(turn.message for turn in turns for _ in turn.spans),
            tuple(turn.message for turn in turns if not turn.spans),
            self._control("x".join(pieces)),
        )


def _strip(texts: pa.LargeStringArray, strips: tuple[Strip, ...]) -> pa.LargeStringArray:
    """Python's own stripping, since libraries differ in what they take for space."""
    if not strips:
        return texts
    return pa.array([stripped(text, strips) for text in texts.to_pylist()], pa.large_string())


def _borders(span: Sequence[int], whole: Rendering, pieces: Sequence[str]) -> list[tuple[int, int]]:
    ends = [0, *(shown.end for shown in whole.shown)]
    before = [0, *accumulate(map(bytes_of, pieces))]
    found = []
    for at in span:
        piece = bisect_right(ends, at) - 1
        found.append((before[piece] + bytes_of(pieces[piece][: at - ends[piece]]), piece))
    return found
