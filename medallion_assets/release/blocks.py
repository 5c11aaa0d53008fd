"""Blocks of rows: what is read together, and shuffled with one another.

Belongs here: which row groups make a block, the orders of blocks, and their rows. Does not: files
(loading.py), or the library that iterates (iterable.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Rows of this much are shuffled with one another, and held in memory; of less, where there is less than this
# many times as much, so that as many workers of a DataLoader have something to do.
BLOCK_BYTES = 128 << 20
LEAST_BLOCKS = 16
SLICE_ROWS = 256


@dataclass(frozen=True)
class Group:
    """A row group of a file: the least that is read at once."""

    path: str
    number: int
    bytes: int


@dataclass(frozen=True)
class Block:
    """Row groups that are read together; `seed` shuffles their rows."""

    groups: tuple[Group, ...]
    seed: tuple[int, ...] | None = None


def groups_of(path: Path) -> Iterator[Group]:
    metadata = pq.read_metadata(path)
    for number in range(metadata.num_row_groups):
        yield Group(str(path), number, metadata.row_group(number).total_byte_size)


def blocks_of(groups: Sequence[Group]) -> Iterator[tuple[Group, ...]]:
    """Groups in their order, together as long as they are not too much."""
    most = min(BLOCK_BYTES, sum(group.bytes for group in groups) // LEAST_BLOCKS)
    block: list[Group] = []
    for group in groups:
        if block and sum(each.bytes for each in block) + group.bytes > most:
            yield tuple(block)
            block = []
        block.append(group)
    if block:
        yield tuple(block)


def in_order(groups: Sequence[Group]) -> list[Block]:
    return [Block(block) for block in blocks_of(groups)]


def shuffled(groups: Sequence[Group], seed: int, draw: int) -> list[Block]:
    """Groups in another order, so that days meet in a block, and each block with a seed of its own."""
    generator = np.random.default_rng([seed, draw])
    order = [groups[place] for place in generator.permutation(len(groups))]
    return [Block(block, (seed, draw, number)) for number, block in enumerate(blocks_of(order))]


def tables(blocks: list[Block]) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each block, in slices: what the library calls to read its share."""
    for block in blocks:
        rows = pa.concat_tables([_read(group) for group in block.groups])
        order = np.arange(rows.num_rows)
        if block.seed is not None:
            order = np.random.default_rng(block.seed).permutation(rows.num_rows)
        for start in range(0, rows.num_rows, SLICE_ROWS):
            yield f"{block.groups[0].path}:{start}", rows.take(pa.array(order[start : start + SLICE_ROWS]))


def _read(group: Group) -> pa.Table:
    with pq.ParquetFile(group.path, page_checksum_verification=True) as file:
        return file.read_row_group(group.number)
