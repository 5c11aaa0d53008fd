"""RL prompts in gold: one file that verl takes as it is, and TRL's GRPO by its column `prompt`.

Belongs here: the columns that both read. Does not: encoding (conversations.py), the order of rows
(finished.py) or what rewards an answer (curate/verify.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import tee
from typing import Any

import pyarrow as pa

from medallion_assets.package.conversations import prompts_encoded
from medallion_assets.package.finished import Made, kept_of, rejects_of, rows_of, write_rows
from medallion_assets.package.recipe import Sink, Workshop
from medallion_assets.package.render.spoken import Outcome, encoded_by_speech, spoken
from medallion_assets.records import Rejected
from medallion_assets.schemas import ORIGIN_AND_ID
from medallion_assets.schemas_gold import EXTRA_INFO, REWARD_MODEL

GIVEN = ("ground_truth", "verifier", "data_source", "ability", "extra_info")
COLUMNS = (*ORIGIN_AND_ID, "prompt_key", "prompt", "tools", *GIVEN)
# The names that verl's own rewards go by, where ours differ.
VERL_NAMES = {"gsm8k": "openai/gsm8k"}
# So many bits of a record id are a number that a JSON reader and a float keep exactly.
INDEX_HEX_DIGITS = 13


def write(made: Iterable[Made], workshop: Workshop, writer: Sink) -> None:
    """Every silver record is a row or a reject."""
    write_rows(made, workshop, writer, tokens=["prompt_length"])


def made(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> Iterator[Made]:
    """Batch by batch."""
    here, asked = tee(silver)
    prompts = encoded_by_speech(asked, "prompt", prompts_encoded, workshop.tokenizer)
    for batch, outcomes in zip(here, prompts, strict=True):
        fitting = [_fitting(outcome, workshop.packaging.max_length) for outcome in outcomes]
        yield _rows(batch, fitting, workshop), rejects_of(batch, fitting)


def _fitting(outcome: Outcome, max_length: int) -> Outcome:
    """A prompt without its end asks for something else, so none is ever cut."""
    if isinstance(outcome, Rejected) or len(outcome) <= max_length:
        return outcome
    return Rejected("too_long", f"{len(outcome)} tokens; max_length is {max_length}")


def _rows(batch: pa.RecordBatch, outcomes: Sequence[Outcome], workshop: Workshop) -> pa.Table:
    kept = kept_of(batch, outcomes)
    lengths = [len(outcome) for outcome in outcomes if not isinstance(outcome, Rejected)]
    told = kept.select(["record_id", "source", *GIVEN]).to_pylist()
    made = {
        "data_source": pa.array(map(_data_source, told), pa.string()),
        "prompt": spoken(kept.column("prompt")),
        "reward_model": pa.array(map(_reward_model, told), REWARD_MODEL),
        "extra_info": pa.array([_extra_info(row, workshop.split) for row in told], EXTRA_INFO),
        "prompt_length": pa.array(lengths, pa.int32()),
    }
    return rows_of(kept, made, workshop.schema)


def _data_source(row: Mapping[str, Any]) -> str:
    name: str = row["data_source"] or row["verifier"] or row["source"]
    return VERL_NAMES.get(name, name)


def _reward_model(row: Mapping[str, Any]) -> dict[str, Any]:
    truth = row["ground_truth"]
    return {"style": "model" if truth is None else "rule", "ground_truth": truth}


def _extra_info(row: Mapping[str, Any], split: str) -> dict[str, Any]:
    return {
        "split": split,
        "index": int(row["record_id"][:INDEX_HEX_DIGITS], 16),
        "record_id": row["record_id"],
        "source": row["source"],
        "verifier": row["verifier"],
        "given": row["extra_info"],
    }
