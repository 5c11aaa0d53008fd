"""A release as a stream: shuffled by a seed, split by rank, and resumed at the very row where it stopped.

Belongs here: what the stream reads in which order. Does not: finding files (loading.py). All else is the
library's own: epochs, splitting, states. Its shuffle buffer is not used, because a state that is loaded again
leaves out the rows that were in the buffer: here rows are shuffled within blocks that are read whole, so
a state is a block and a place in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from datasets import IterableDataset

# Rows of this much are shuffled with one another, and held in memory; of less, where there is less than this
# many times as much, so that as many workers of a DataLoader have something to do.
BLOCK_BYTES = 128 << 20
LEAST_BLOCKS = 16
SLICE_ROWS = 256


@dataclass(frozen=True)
class Stream:
    """How to stream. Without a `seed`, rows come as they are stored, in every epoch.

    Each of `world_size` ranks gets its own share, of the same size but for one row (one a worker, where a
    DataLoader has several: as many on every rank); all together get every row once. `set_epoch` on the
    dataset starts another order of the same seed; a state is of its epoch.
    """

    seed: int | None = None
    rank: int = 0
    world_size: int = 1
    epoch: int = 0


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


def streamed(paths: Sequence[Path], stream: Stream) -> IterableDataset:
    """The rows of these files, of which there is at least one."""
    from datasets import Features, IterableDataset
    from datasets.distributed import split_dataset_by_node
    from datasets.info import DatasetInfo

    from medallion_assets.release.blocks import Blocks

    groups = [group for path in paths for group in _groups(path)]
    info = DatasetInfo(features=Features.from_arrow_schema(pq.read_schema(paths[0])))
    dataset = IterableDataset(Blocks(groups, stream.seed), info=info)
    if stream.world_size > 1:
        # By rows and not by blocks: ranks that step together must not run out of rows at different times.
        dataset = split_dataset_by_node(dataset, stream.rank, stream.world_size, strategy="examples")
    dataset.set_epoch(stream.epoch)
    return dataset


def _groups(path: Path) -> Iterator[Group]:
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
