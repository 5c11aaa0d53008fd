"""A release as a stream: shuffled by a seed, split by rank, and resumed at the very row where it stopped.

Belongs here: what a stream is asked for, and making it. Does not: finding files (loading.py), or what is
read in which order (blocks.py). All else is the library's own: epochs, splitting, states. Its shuffle buffer
is not used, because a state that is loaded again leaves out the rows that were in the buffer: here rows are
shuffled within blocks that are read whole, so a state is a block and a place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from medallion_assets.release.blocks import groups_of

if TYPE_CHECKING:
    from datasets import IterableDataset


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


def streamed(paths: Sequence[Path], stream: Stream) -> IterableDataset:
    """The rows of these files, of which there is at least one."""
    from datasets import Features, IterableDataset
    from datasets.distributed import split_dataset_by_node
    from datasets.info import DatasetInfo

    from medallion_assets.release.iterable import Blocks

    groups = [group for path in paths for group in groups_of(path)]
    info = DatasetInfo(features=Features.from_arrow_schema(pq.read_schema(paths[0])))
    dataset = IterableDataset(Blocks(groups, stream.seed), info=info)
    if stream.world_size > 1:
        # By rows and not by blocks: ranks that step together must not run out of rows at different times.
        dataset = split_dataset_by_node(dataset, stream.rank, stream.world_size, strategy="examples")
    dataset.set_epoch(stream.epoch)
    return dataset
