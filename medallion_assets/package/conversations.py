"""Stored conversations to signed token ids, batch by batch: what every gold table is made from.

Belongs here: the flow through rendering and encoding. Does not: their rules (template.py, encode.py), or what
a table makes of the ids (sft.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medallion_assets.package.encode import Signed, encode_texts, label
from medallion_assets.package.template import ChatTemplate, Rendered
from medallion_assets.package.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected

if TYPE_CHECKING:
    from tokenizers import Encoding

Row = dict[str, Any]
Outcomes = list[tuple[Row, Signed | Rejected]]
Render = Callable[[Sequence[Row]], list[Rendered | Rejected]]


def encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `messages`, its assistant turns learned; batch by batch, in order."""
    return _encoded(batches, tokenizer, _template(tokenizer).render_batch)


def prompts_encoded(batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer) -> Iterator[Outcomes]:
    """The column `prompt` up to where the answer begins; nothing of it is learned."""
    return _encoded(batches, tokenizer, _template(tokenizer).render_prompts)


def _template(tokenizer: LoadedTokenizer) -> ChatTemplate:
    return ChatTemplate(tokenizer.chat_template, tokenizer.special_tokens, tokenizer.control_tokens)


def _encoded(
    batches: Iterable[pa.RecordBatch], tokenizer: LoadedTokenizer, render: Render
) -> Iterator[Outcomes]:
    """The next batch is rendered here while the last is encoded beside."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        waiting: tuple[list[tuple[Row, Rendered | Rejected]], Future[list[Encoding]]] | None = None
        for batch in batches:
            rows = batch.to_pylist()
            rendered = list(zip(rows, render(rows), strict=True))
            good = [result for _, result in rendered if isinstance(result, Rendered)]
            previous, waiting = waiting, (rendered, beside.submit(encode_texts, tokenizer.core, good))
            if previous is not None:
                yield _labelled(previous[0], previous[1].result())
        if waiting is not None:
            yield _labelled(waiting[0], waiting[1].result())


def _labelled(rendered: list[tuple[Row, Rendered | Rejected]], encodings: list[Encoding]) -> Outcomes:
    remaining = iter(encodings)
    return [
        (row, label(next(remaining), result) if isinstance(result, Rendered) else result)
        for row, result in rendered
    ]
