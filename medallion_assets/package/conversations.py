"""Stored conversations to signed token ids, batch by batch: what every gold table is made from.

Belongs here: the flow through rendering and encoding. Does not: their rules (render.py, joining.py,
encode.py), or what a table makes of the ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medallion_assets.package.render.joining import Joiner
from medallion_assets.package.render.plain import Numbers, PlainTurns
from medallion_assets.package.render.render import Rendered, Renderer
from medallion_assets.package.render.rendered_batch import NOT_COUNTED, RenderedBatch, Texts
from medallion_assets.package.render.template import ChatTemplate, Setting
from medallion_assets.package.rows import Columns
from medallion_assets.package.tokens.encode import Flat, Labeller, Signed
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected


@dataclass(frozen=True)
class Outcomes:
    """What became of a batch: the signed ids of `rows`, ascending, or a reject. `unshown` counts, by row of
    the batch, the turns that were to be learned and are context, as the template shows less than was said."""

    batch: pa.RecordBatch
    rows: Numbers
    signed: Flat
    rejects: dict[int, Rejected]
    unshown: Numbers

    def each(self) -> list[Signed | Rejected]:
        found: dict[int, Signed | Rejected] = {**self.rejects}
        found |= zip(self.rows.tolist(), self.signed.each(), strict=True)
        return [found[row] for row in range(self.batch.num_rows)]


def encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `messages`, its assistant turns learned; batch by batch, in order."""
    return _encoded(batches, _Talks(tokenizer, "messages"))


def prompts_encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `prompt` up to where the answer begins; nothing of it is learned."""
    return _encoded(batches, _Talks(tokenizer, "prompt"))


def _encoded(batches: Iterable[pa.RecordBatch], talks: _Talks) -> Iterator[Outcomes]:
    """The next batch is rendered here while the last is encoded beside."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        waiting: tuple[_Rendering, Future[Flat]] | None = None
        for batch in batches:
            rendering = talks.rendered(Columns(batch))
            previous, waiting = (
                waiting,
                (rendering, beside.submit(talks.tokenizer.encode, rendering.texts.texts)),
            )
            if previous is not None:
                yield talks.labelled(previous[0], previous[1].result())
        if waiting is not None:
            yield talks.labelled(waiting[0], waiting[1].result())


@dataclass(frozen=True)
class _Rendering:
    columns: Columns
    batch: RenderedBatch
    texts: Texts


class _Talks:
    """The conversations of one column, for one tokenizer."""

    def __init__(self, tokenizer: LoadedTokenizer, column: str) -> None:
        self.tokenizer = tokenizer
        self._column = column
        self._prompt = column == "prompt"
        template = ChatTemplate(tokenizer.chat_template, tokenizer.special_tokens, tokenizer.control_tokens)
        self._renderer = Renderer(template)
        self._control = tokenizer.vocabulary.control
        self._joiner = Joiner(template, self._control_of, prompt=self._prompt)
        self._label = Labeller(tokenizer.core, tokenizer.vocabulary.byte_lengths)

    def rendered(self, columns: Columns) -> _Rendering:
        batch = RenderedBatch(columns.batch.num_rows)
        if self._control is not None:
            for group in PlainTurns(columns.batch, self._column).groups():
                self._joiner.join(group, batch)
        for row in batch.left():
            self._put_alone(columns, row, batch)
        return _Rendering(columns, batch, batch.to_encode())

    def labelled(self, rendering: _Rendering, flat: Flat) -> Outcomes:
        columns, batch, texts = rendering.columns, rendering.batch, rendering.texts
        signed, unclear = self._label(texts, flat)
        rejects = {**batch.rejects, **{int(texts.rows[place]): reject for place, reject in unclear.items()}}
        for row in self._rows_with_others_control_tokens(texts, flat):
            if refused := self._refused(columns, row):
                rejects[row] = refused
        kept = ~np.isin(texts.rows, [*rejects])
        return Outcomes(columns.batch, texts.rows[kept], signed.only(kept), rejects, batch.unshown)

    def _put_alone(self, columns: Columns, row: int, batch: RenderedBatch) -> None:
        try:
            batch.put(row, self._alone(columns, row))
        except Rejected as reject:
            batch.reject(row, reject)

    def _rows_with_others_control_tokens(self, texts: Texts, flat: Flat) -> list[int]:
        """What was joined has not been searched for control tokens, as the ids tell faster: those that the
        template doesn't write were written in a text."""
        if self._control is None:
            return []
        others = (texts.control != NOT_COUNTED) & (texts.control != self._control.sums(flat))
        rows: list[int] = texts.rows[others].tolist()
        return rows

    def _refused(self, columns: Columns, row: int) -> Rejected | None:
        """None where nothing spells one: what a tokenizer doesn't know has a control token's id too."""
        try:
            self._alone(columns, row)
        except Rejected as reject:
            return reject.untraced()
        return None

    def _alone(self, columns: Columns, row: int) -> Rendered:
        render = self._renderer.prompt if self._prompt else self._renderer.talk
        setting = Setting(columns.value("tools", row), columns.value("landing_date", row))
        return render(columns.value(self._column, row), setting)

    def _control_of(self, text: str) -> int:
        ids = self.tokenizer.core.encode(text, add_special_tokens=False).ids
        return self._control.sum_of(ids) if self._control is not None else 0
