"""Messages as trainers get them: conformed and verified as silver's are, within the policy lag.

Belongs here: from lines to rows that may be served, and how that was done, so that it can be done again.
Does not: the conform loop (conform/), verification (curate/), or serving (serve.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.streamed import head_of
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.schemas import BRONZE, ROLLOUT_UNIT
from medallion_assets.storage.manifest import digest_of
from medallion_assets.streaming.rows import ROW_SCHEMA, with_positions

FAILED = "failed"


class Plan(msgspec.Struct, frozen=True):
    """How lines become rows. `landing` is the stream's folder of exports, `store` that of the
    data; `code` is the digest of what conforms."""

    stream: str
    topic: str
    source: str
    format: str
    code: str
    landing: str
    store: str
    options: Options = msgspec.field(default_factory=Options)
    quality: Quality = DEFAULT_QUALITY
    record_bytes: int = 32 << 20

    @property
    def digest(self) -> str:
        return digest_of(msgspec.to_builtins(self))[:16]


@dataclass(frozen=True)
class Prepared:
    """Rows of ROW_SCHEMA in the order of the lines, and how many lines are none, by reason."""

    rows: pa.Table
    rejected: Mapping[str, int]


def prepared(lines: Sequence[bytes], plan: Plan) -> Prepared:
    """A line that breaks what conforms it is a reject among others here: a stream goes on."""
    try:
        return _prepared(lines, plan)
    except Exception as error:
        if len(lines) == 1:
            return Prepared(ROW_SCHEMA.empty_table(), {f"{FAILED}: {type(error).__name__}": 1})
    halves = [prepared(lines[: len(lines) // 2], plan), prepared(lines[len(lines) // 2 :], plan)]
    rejected = Counter(halves[0].rejected) + Counter(halves[1].rejected)
    return Prepared(pa.concat_tables([half.rows for half in halves]), rejected)


def _prepared(lines: Sequence[bytes], plan: Plan) -> Prepared:
    from medallion_assets.conform.conform import conform_batches
    from medallion_assets.conform.format import load_format

    if not lines:
        return Prepared(ROW_SCHEMA.empty_table(), {})
    batches = iter([_bronze(lines, plan)])
    [(rows, rejects)] = conform_batches(
        batches, load_format(plan.format), unit=ROLLOUT_UNIT, options=plan.options, quality=plan.quality
    )
    positions = [head_of(lines[number - 1])[1] for number in rows.column("record_number").to_pylist()]
    return Prepared(with_positions(rows, positions), Counter(rejects.column("reason").to_pylist()))


def _bronze(lines: Sequence[bytes], plan: Plan) -> pa.RecordBatch:
    """As bronze would hold them, but for what no row takes from there."""
    from medallion_assets.extract.raw import HEAD_BYTES, too_large

    long = [len(line) > plan.record_bytes for line in lines]
    rows: list[dict[str, Any]] = [
        {
            "source": plan.source,
            "landing_date": date.fromordinal(1),
            "export_sha256": "",
            "file": plan.topic,
            "record_number": number,
            "line": number,
            "byte_offset": 0,
            "raw": (line[:HEAD_BYTES] if is_long else line).decode(errors="ignore"),
            "raw_bytes": None,
            "defect": too_large(len(line), plan.record_bytes) if is_long else None,
        }
        for number, (line, is_long) in enumerate(zip(lines, long, strict=True), start=1)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=BRONZE.arrow)
