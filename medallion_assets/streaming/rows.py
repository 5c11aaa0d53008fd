"""Rollouts on their way to trainers: the unit's columns, where each stood in its topic, and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from medallion_assets.conform.streamed import Position
from medallion_assets.schemas import RL_ROLLOUTS

PARTITION, OFFSET = "stream_partition", "stream_offset"
SERVED_SCHEMA = RL_ROLLOUTS.without_origin
ROW_SCHEMA = pa.schema(
    [*SERVED_SCHEMA, pa.field(PARTITION, pa.int32(), False), pa.field(OFFSET, pa.string(), False)]
)


@dataclass(frozen=True)
class Step:
    """`rows` of the unit rl_rollouts, without where bronze has them. `number` counts a trainer's steps."""

    number: int
    rows: pa.Table


def with_positions(rows: pa.Table, positions: Sequence[Position]) -> pa.Table:
    columns = [
        *rows.select(SERVED_SCHEMA.names).columns,
        pa.array([each.partition for each in positions], pa.int32()),
        pa.array([each.offset for each in positions], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=ROW_SCHEMA)


def served(rows: pa.Table) -> pa.Table:
    """The unit's columns alone, as trainers get them."""
    return rows.select(SERVED_SCHEMA.names).replace_schema_metadata().combine_chunks()
