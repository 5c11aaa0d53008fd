"""Stored conversations to signed token ids, batch by batch: what every gold table is made from.

Belongs here: the flow through rendering and encoding. Does not: their rules (render.py, joining.py, encode.py),
or what a table makes of the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.encode import Flat, Labeller, Signed
from medallion_assets.package.joining import Joiner, Plain
from medallion_assets.package.render import Rendered, Renderer
from medallion_assets.package.rows import Columns, Row
from medallion_assets.package.template import ChatTemplate, Setting
from medallion_assets.package.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected

# Of each row, how many turns were to be learned and are context, as the template shows less than was said.
UNSHOWN_TURNS = "unshown_turns"
UNUSUAL_KEYS = ("tool_calls", "tool_call_id", "name")

Outcomes = list[tuple[Row, Signed | Rejected]]
Renderings = list[Rendered | Rejected]


def encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `messages`, its assistant turns learned; batch by batch, in order."""
    return _encoded(batches, _Talks(tokenizer, "messages"))


def prompts_encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `prompt` up to where the answer begins; nothing of it is learned."""
    return _encoded(batches, _Talks(tokenizer, "prompt"))


def _encoded(batches: Iterable[pa.RecordBatch], talks: _Talks) -> Iterator[Outcomes]:
    """The next batch is rendered here while the last is encoded beside."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        waiting: tuple[Columns, Renderings, Future[Flat]] | None = None
        for batch in batches:
            columns = Columns(batch)
            renderings = talks.rendered(columns)
            flat = beside.submit(talks.tokenizer.encode, [good.text for good in _good(renderings)])
            previous, waiting = waiting, (columns, renderings, flat)
            if previous is not None:
                yield talks.labelled(previous[0], previous[1], previous[2].result())
        if waiting is not None:
            yield talks.labelled(waiting[0], waiting[1], waiting[2].result())


def _good(renderings: Renderings) -> list[Rendered]:
    return [rendering for rendering in renderings if isinstance(rendering, Rendered)]


class _Talks:
    """The conversations of one column, for one tokenizer."""

    def __init__(self, tokenizer: LoadedTokenizer, column: str) -> None:
        self.tokenizer = tokenizer
        self._column = column
        self._prompt = column == "prompt"
        template = ChatTemplate(tokenizer.chat_template, tokenizer.special_tokens, tokenizer.control_tokens)
        self._renderer = Renderer(template)
        self._control = tokenizer.vocabulary.control
        self._joiner = Joiner(template, self._control_of) if self._control is not None else None
        self._label = Labeller(tokenizer.core, tokenizer.vocabulary.byte_lengths)

    def rendered(self, columns: Columns) -> Renderings:
        turns = _Turns(columns.batch, self._column)
        return [self._joined(turns, row) or self._alone(columns, row) for row in range(len(turns))]

    def labelled(self, columns: Columns, renderings: Renderings, flat: Flat) -> Outcomes:
        good = _good(renderings)
        signed = iter(self._without_control_tokens(columns, renderings, self._label(good, flat), flat))
        columns.computed[UNSHOWN_TURNS] = [
            each.unshown if isinstance(each, Rendered) else 0 for each in renderings
        ]
        return [
            (Row(columns, row), next(signed) if isinstance(rendering, Rendered) else rendering)
            for row, rendering in enumerate(renderings)
        ]

    def _joined(self, turns: _Turns, row: int) -> Rendered | Rejected | None:
        if self._joiner is None or not turns.plain[row]:
            return None
        first, last = turns.borders[row], turns.borders[row + 1]
        thoughts = turns.thoughts[first:last] if turns.thoughts is not None else None
        plain = Plain(
            tuple(turns.roles[first:last]), turns.contents[first:last], thoughts, turns.days[row], self._prompt
        )
        return self._joiner.rendered(plain, turns.train[first:last])

    def _alone(self, columns: Columns, row: int) -> Rendered | Rejected:
        setting = self._setting(columns, row)
        render = self._renderer.prompt if self._prompt else self._renderer.talk
        try:
            return render(columns.value(self._column, row), setting)
        except Rejected as reject:
            return reject

    def _without_control_tokens(
        self, columns: Columns, renderings: Renderings, signed: list[Signed | Rejected], flat: Flat
    ) -> list[Signed | Rejected]:
        """What was joined has not been searched for control tokens, which the ids tell faster: those that
        the template doesn't write were written in a text."""
        if self._control is None:
            return signed
        sums = np.concatenate([[0], np.cumsum(self._control[flat.ids])])[flat.borders]
        rows = [row for row, rendering in enumerate(renderings) if isinstance(rendering, Rendered)]
        written = [rendering.control for rendering in _good(renderings)]
        found = np.diff(sums).tolist()
        for place, row in enumerate(rows):
            if written[place] is not None and found[place] != written[place]:
                signed[place] = self._refused(columns, row) or signed[place]
        return signed

    def _refused(self, columns: Columns, row: int) -> Rejected | None:
        try:
            self._renderer.refuse_control_tokens(columns.value(self._column, row), self._setting(columns, row))
        except Rejected as reject:
            return reject
        return None

    def _setting(self, columns: Columns, row: int) -> Setting:
        return Setting(columns.value("tools", row), columns.value("landing_date", row))

    def _control_of(self, text: str) -> int:
        ids = self.tokenizer.core.encode(text, add_special_tokens=False).ids
        return int(self._control[np.array(ids, np.int64)].sum()) if self._control is not None else 0


@dataclass
class _Turns:
    """The turns of all rows of a batch, side by side, as far as plain conversations need them."""

    batch: pa.RecordBatch
    column: str

    def __post_init__(self) -> None:
        lists = self.batch.column(self.column)
        turns = lists.flatten()
        borders = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False))])
        self.borders: list[int] = borders.astype(np.int64).tolist()
        self.roles: list[str] = _strings(turns.field("role"))
        self.contents: list[str] = _strings(turns.field("content"))
        thoughts = turns.field("reasoning_content")
        self.thoughts: list[str | None] | None = None
        if thoughts.null_count < len(thoughts):
            self.thoughts = _strings(thoughts)
        self.train: list[bool] = turns.field("train").to_pylist()
        self.days: list[Any] = self.batch.column("landing_date").to_pylist()
        self.plain: list[bool] = self._plain(turns, borders)

    def __len__(self) -> int:
        return self.batch.num_rows

    def _plain(self, turns: pa.StructArray, borders: Any) -> list[bool]:
        unusual = np.zeros(len(turns) + 1, np.int64)
        for key in UNUSUAL_KEYS:
            unusual[1:] += turns.field(key).is_valid().to_numpy(zero_copy_only=False)
        counted = np.cumsum(unusual)[borders]
        without_tools = self.batch.column("tools").is_null().to_numpy(zero_copy_only=False)
        plain: list[bool] = ((np.diff(counted) == 0) & without_tools).tolist()
        return plain


def _strings(array: pa.Array) -> list[Any]:
    found: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return found
