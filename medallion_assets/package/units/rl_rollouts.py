"""Rollouts in gold: a row a rollout, with the ids that the policy saw, for training off policy.

Belongs here: the flow of a partition and the columns. Does not: a rollout's arrays (drawn.py), encoding
(conversations.py), the order of rows (finished.py) or rewards (curate/reward.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.conversations import encoded
from medallion_assets.package.drawn import LOGGED, Drawn, fitting, logged, written
from medallion_assets.package.finished import Made, kept_of, rejects_of, rows_of, write_rows
from medallion_assets.package.list_columns import lists
from medallion_assets.package.recipe import Sink, Workshop
from medallion_assets.package.render.spoken import Outcome, joined
from medallion_assets.records import Rejected, content_id
from medallion_assets.schemas import MESSAGE, MESSAGES, ORIGIN_AND_ID, TableSchema
from medallion_assets.schemas_gold import IDS, LOGPROBS, MASK

NAMES = ("run", "step", "sample", "policy_version", "rollout_group", "prompt_key")
REWARDS = ("reward", "reward_origin", "logged_reward", "advantage", "finish_reason", "data_source")
COLUMNS = (*ORIGIN_AND_ID, *NAMES, "prompt", "completion", *LOGGED, *REWARDS)


def write(made: Iterable[Made], workshop: Workshop, writer: Sink) -> None:
    """Every silver record is a row or a reject."""
    write_rows(made, workshop, writer, tokens=["length"])


def made(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> Iterator[Made]:
    """Batch by batch."""
    here, there = tee(silver)
    encodings = encoded(map(_conversations, there), workshop.tokenizer)
    for batch, outcomes in zip(here, encodings, strict=True):
        drawn = _drawn(batch, outcomes.each(), workshop)
        yield _rows(batch, drawn, workshop.schema), rejects_of(batch, drawn)


def _drawn(batch: pa.RecordBatch, encodings: Sequence[Outcome], workshop: Workshop) -> list[Drawn | Rejected]:
    tokenizer, rules = workshop.tokenizer, workshop.packaging
    said = zip(_said(batch).select(["completion", "finish_reason"]).to_pylist(), encodings, strict=True)
    ours = (
        written(outcome, row["completion"], row["finish_reason"], tokenizer=tokenizer)
        for row, outcome in said
    )
    is_said = _is_said(batch).to_pylist()
    found = [
        each if each is not None else next(ours) if is_said[place] else _without_prompt()
        for place, each in enumerate(logged(batch, tokenizer))
    ]
    return [fitting(each, rules) for each in found]


def _is_said(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Whether a rollout has text alone, and all of it."""
    has = {name: batch.column(name).is_valid() for name in ("token_ids", "prompt", "completion")}
    return pc.and_(pc.invert(has["token_ids"]), pc.and_(has["prompt"], has["completion"]))


def _said(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(_is_said(batch))


def _without_prompt() -> Rejected:
    return Rejected("no_prompt", "the log has neither token ids nor the prompt that was answered")


def _conversations(batch: pa.RecordBatch) -> pa.RecordBatch:
    """What was said, the completion as the assistant's last turn."""
    said = _said(batch)
    made: dict[str, Any] = {
        "role": pa.array(["assistant"] * said.num_rows, pa.string()),
        "content": said.column("completion"),
        "train": pa.array([True] * said.num_rows, pa.bool_()),
    }
    values = [made.get(field.name, pa.nulls(said.num_rows, field.type)) for field in MESSAGE]
    turns = pa.StructArray.from_arrays(values, fields=list(MESSAGE))
    each = pa.array(range(said.num_rows + 1), pa.int32())
    answers = pa.ListArray.from_arrays(each, turns, type=MESSAGES)
    columns = {
        "record_id": said.column("record_id"),
        "landing_date": said.column("landing_date"),
        "tools": pa.nulls(said.num_rows, pa.string()),
        "messages": joined(said.column("prompt"), answers),
    }
    return pa.RecordBatch.from_pydict(columns)


def _rows(batch: pa.RecordBatch, drawn: Sequence[Drawn | Rejected], schema: TableSchema) -> pa.Table:
    kept, rows = kept_of(batch, drawn), [each for each in drawn if isinstance(each, Drawn)]
    made = {
        "rollout_group": pa.array(map(_group, kept.select(NAMES).to_pylist()), pa.string()),
        "input_ids": lists([each.ids for each in rows], IDS),
        "loss_mask": lists([each.mask for each in rows], MASK),
        "logprobs": lists([each.logprobs for each in rows], LOGPROBS),
        "trainer_logprobs": lists([each.trainer_logprobs for each in rows], LOGPROBS),
        "ids_origin": pa.array([each.origin for each in rows], pa.string()),
        "prompt_length": pa.array([each.prompt_length for each in rows], pa.int32()),
        "length": pa.array([len(each.ids) for each in rows], pa.int32()),
        "truncated": pa.array([each.truncated for each in rows], pa.bool_()),
    }
    return rows_of(kept, made, schema)


def _group(row: dict[str, Any]) -> str | None:
    """Logs number their groups anew in each step, or not at all; then the prompt tells."""
    answers_to = row["rollout_group"] or row["prompt_key"]
    return content_id([row["run"], row["step"], answers_to]) if answers_to else None
