"""Turns as trainers read them, role and content alone, and the proof that nothing is lost by that.

Belongs here: lists of messages cut down, joined and compared by their tokens. Does not: rendering or encoding
(conversations.py), or what a unit makes of the turns (units/).
A file that has a column for each thing that some turn says gives every other turn a null for it, and chat
templates take a null for a value; so trainers get the two columns that every turn has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import tee

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.conversations import Outcomes
from medallion_assets.package.list_columns import Numbers, borders, lengths, list_array
from medallion_assets.package.tokens.encode import Signed
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected
from medallion_assets.schemas import MESSAGE, MESSAGES
from medallion_assets.schemas_gold import TURN, TURNS

Outcome = Signed | Rejected
Encode = Callable[[Iterable[pa.RecordBatch], LoadedTokenizer], Iterator[Outcomes]]
CONTEXT = ("record_id", "landing_date", "tools")  # what rendering asks for, beside turns
UNSAID = ("reasoning_content", "tool_calls", "tool_call_id", "name")


def spoken(turns: pa.ListArray) -> pa.ListArray:
    """Role and content of each turn; a thought stands before what is said, as reasoning models write."""
    values = turns.flatten()
    said = pa.StructArray.from_arrays([_field(values, "role"), _content(values)], fields=list(TURN))
    return list_array(borders(lengths(turns)), said, TURNS)


def joined(first: pa.ListArray, then: pa.ListArray) -> pa.ListArray:
    """Row by row, the turns of one list and then those of the other."""
    rows = np.concatenate([_rows(first), _rows(then)])
    order = pa.array(np.argsort(rows, kind="stable"))
    turns = pa.concat_arrays([first.flatten(), then.flatten()]).take(order)
    return list_array(borders(lengths(first) + lengths(then)), turns, MESSAGES)


def encoded_by_speech(
    batches: Iterable[pa.RecordBatch], column: str, encode: Encode, tokenizer: LoadedTokenizer
) -> Iterator[list[Outcome]]:
    """What the column's turns encode to by role and content alone, batch by batch.

    Turns that have more are encoded whole too, and rejected unless that makes the same tokens.
    """
    here, there = tee(batches)
    encodings = encode((_both(batch, column) for batch in there), tokenizer)
    for batch, outcomes in zip(here, encodings, strict=True):
        found = outcomes.each()
        bare, whole = found[: batch.num_rows], found[batch.num_rows :]
        for row, outcome in zip(_says_more(batch.column(column)), whole, strict=True):
            bare[row] = _agreed(bare[row], outcome)
        yield bare


def _both(batch: pa.RecordBatch, column: str) -> pa.RecordBatch:
    """The rows by role and content alone, and after them, whole, those that say more."""
    turns = batch.column(column)
    more = _says_more(turns)
    rows = pa.array(np.concatenate([np.arange(batch.num_rows), more]))
    both = pa.concat_arrays([_bare(turns), turns.take(pa.array(more))])
    context = [batch.column(name).take(rows) for name in CONTEXT]
    return pa.RecordBatch.from_arrays([*context, both], names=[*CONTEXT, column])


def _agreed(bare: Outcome, whole: Outcome) -> Outcome:
    if isinstance(whole, Rejected):
        return whole
    if not isinstance(bare, Rejected) and np.array_equal(ids_of(bare), ids_of(whole)):
        return bare
    detail = "the template shows more of a turn than its role and content, which is all that trainers read"
    return Rejected("not_plain_turns", detail)


def ids_of(signed: Signed) -> Signed:
    """The token ids, whether they are learned or context."""
    ids: Signed = np.where(signed < 0, ~signed, signed)
    return ids


def _bare(turns: pa.ListArray) -> pa.ListArray:
    values = turns.flatten()
    told = {"role": _field(values, "role"), "content": _content(values), "train": _field(values, "train")}
    kept = [told.get(field.name, pa.nulls(len(values), field.type)) for field in MESSAGE]
    said = pa.StructArray.from_arrays(kept, fields=list(MESSAGE))
    return list_array(borders(lengths(turns)), said, MESSAGES)


def _says_more(turns: pa.ListArray) -> Numbers:
    """The rows of which some turn has more than role and content."""
    values = turns.flatten()
    more = np.zeros(len(values), bool)
    for name in UNSAID:
        more |= _field(values, name).is_valid().to_numpy(zero_copy_only=False)
    return np.unique(_rows(turns)[more])


def _content(values: pa.StructArray) -> pa.StringArray:
    content, thought = _field(values, "content"), _field(values, "reasoning_content")
    return pc.coalesce(
        pc.binary_join_element_wise("<think>\n", thought, "\n</think>\n\n", content, ""), content
    )


def _field(values: pa.StructArray, name: str) -> pa.Array:
    return pc.struct_field(values, [name])


def _rows(turns: pa.ListArray) -> Numbers:
    """Of each turn, the row that it is in."""
    return np.repeat(np.arange(len(turns)), lengths(turns))
