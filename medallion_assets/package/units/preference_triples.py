"""Preference gold: a pair a row, as messages that TRL's DPO takes and as the token ids that it makes of them.

Belongs here: pairs from encoded prompts and answers, and what of them is too long. Does not: encoding
(conversations.py) or the order of rows (finished.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.conversations import encoded, prompts_encoded
from medallion_assets.package.finished import Made, kept_of, rejects_of, rows_of, write_rows
from medallion_assets.package.list_columns import lists
from medallion_assets.package.recipe import Packaging, Sink, Workshop
from medallion_assets.package.render.spoken import CONTEXT, Outcome, encoded_by_speech, ids_of, joined, spoken
from medallion_assets.package.tokens.encode import Signed
from medallion_assets.records import Rejected
from medallion_assets.schemas import ORIGIN_AND_ID, TableSchema
from medallion_assets.schemas_gold import IDS
from medallion_assets.units import PAIR

SIDES = ("chosen", "rejected")
TURNS = ("prompt", *SIDES)
SCORES = ("margin", "chosen_score", "rejected_score", "annotators")
COLUMNS = (*ORIGIN_AND_ID, "kind", *TURNS, "tools", *SCORES)


@dataclass(frozen=True)
class Pair:
    """Token ids: what both sides begin with, and how each goes on."""

    prompt: Signed
    chosen: Signed
    rejected: Signed
    truncated: bool = False


def write(made: Iterable[Made], workshop: Workshop, writer: Sink) -> None:
    """Every silver record is a row or a reject."""
    lengths = [f"{name}_length" for name in TURNS]
    write_rows(made, workshop, writer, tokens=lengths)


def made(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> Iterator[Made]:
    """Batch by batch."""
    here, asked, answered = tee(silver, 3)
    core = workshop.tokenizer
    prompts = encoded_by_speech(map(_pairs, asked), "prompt", prompts_encoded, core)
    answers = encoded_by_speech((_answered(_pairs(batch)) for batch in answered), "messages", encoded, core)
    for batch, prompt, sides in zip(here, prompts, answers, strict=True):
        pairs = iter(zip(prompt, sides[: len(prompt)], sides[len(prompt) :], strict=True))
        outcomes = [
            _pair(*next(pairs), workshop.packaging) if kind == PAIR else _alone(kind)
            for kind in batch.column("kind").to_pylist()
        ]
        yield _rows(batch, outcomes, workshop.schema), rejects_of(batch, outcomes)


def _pairs(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(pc.equal(batch.column("kind"), PAIR))


def _answered(pairs: pa.RecordBatch) -> pa.RecordBatch:
    """The conversations with the chosen answers, and after them those with the rejected ones."""
    prompt = pairs.column("prompt")
    both = pa.concat_arrays([joined(prompt, pairs.column(side)) for side in SIDES])
    context = [pa.concat_arrays([pairs.column(name)] * len(SIDES)) for name in CONTEXT]
    return pa.RecordBatch.from_arrays([*context, both], names=[*CONTEXT, "messages"])


def _pair(prompt: Outcome, chosen: Outcome, rejected: Outcome, rules: Packaging) -> Pair | Rejected:
    """The first reject among them, where there is one."""
    if isinstance(prompt, Rejected):
        return prompt
    better, worse = _answer(prompt, chosen), _answer(prompt, rejected)
    if isinstance(better, Rejected):
        return better
    if isinstance(worse, Rejected):
        return worse
    return _fitting(Pair(ids_of(prompt), better, worse), rules)


def _answer(prompt: Signed, outcome: Outcome) -> Outcome:
    """The ids after the prompt's, proven to follow them."""
    if isinstance(outcome, Rejected):
        return outcome
    start, ids = ids_of(prompt), ids_of(outcome)
    if len(ids) <= len(start) or not np.array_equal(ids[: len(start)], start):
        return Rejected(
            "prompt_unclear", "the answered prompt's tokens are not those of the prompt, and more"
        )
    return ids[len(start) :]


def _fitting(pair: Pair, rules: Packaging) -> Pair | Rejected:
    """A truncated pair keeps the starts of its answers, as TRL does, if those still differ."""
    longest = len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))
    if longest <= rules.max_length:
        return pair
    room = max(0, rules.max_length - len(pair.prompt))
    cut = Pair(pair.prompt, pair.chosen[:room], pair.rejected[:room], truncated=True)
    if rules.too_long == "truncate" and not np.array_equal(cut.chosen, cut.rejected):
        return cut
    return Rejected("too_long", f"{longest} tokens; max_length is {rules.max_length}")


def _alone(kind: str) -> Rejected:
    return Rejected("one_answer", f"it is one {kind} answer; a pair has two")


def _rows(batch: pa.RecordBatch, outcomes: Sequence[Pair | Rejected], schema: TableSchema) -> pa.Table:
    pairs = [outcome for outcome in outcomes if isinstance(outcome, Pair)]
    kept = kept_of(batch, outcomes)
    ids = {name: [getattr(pair, name) for pair in pairs] for name in TURNS}
    made = {
        **{name: spoken(kept.column(name)) for name in TURNS},
        **{f"{name}_ids": lists(ids[name], IDS) for name in TURNS},
        **{f"{name}_length": pa.array(map(len, ids[name]), pa.int32()) for name in TURNS},
        "truncated": pa.array([pair.truncated for pair in pairs], pa.bool_()),
    }
    return rows_of(kept, made, schema)
