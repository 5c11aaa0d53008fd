"""How long what was packaged is in tokens, and how full its bins are, from columns of lengths alone.

Belongs here: which columns tell, and counting them. Does not: how the counts look (plots.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medallion_assets.schemas_gold import (
    GOLD_CURRICULUM,
    GOLD_PREFERENCE,
    GOLD_PROMPTS,
    GOLD_ROLLOUTS,
    GOLD_SFT,
)
from medallion_assets.storage.parts import read_batches

FILL_STEPS = 20
Array = npt.NDArray[np.int64]
# By schema, the columns whose sum is the length of what a row is.
LENGTHS: Mapping[str, tuple[str, ...]] = {
    GOLD_PREFERENCE.name: ("prompt_length", "chosen_length"),
    GOLD_PROMPTS.name: ("prompt_length",),
    GOLD_CURRICULUM.name: ("prompt_length",),
    GOLD_ROLLOUTS.name: ("length",),
}


@dataclass(frozen=True)
class Shapes:
    """`lengths` counts documents by tokens, from a power of two to below the next; `fill` bins by how full
    they are, in steps of a twentieth of their room."""

    lengths: Mapping[int, int]
    fill: Mapping[int, int]


def shapes_of(schema: str, paths: Sequence[Path], *, room: int) -> Shapes:
    """Of a gold partition whose rows hold at most `room` tokens; there are bins where rows are packed."""
    lengths: Counter[int] = Counter()
    fill: Counter[int] = Counter()
    packed = schema == GOLD_SFT.name
    for batch in read_batches(paths, ["seq_lengths"] if packed else LENGTHS[schema]):
        if packed:
            lists = batch.column(0)
            lengths += _by_power(_numbers(lists.flatten()))
            fill += _counted(np.minimum(_filled(lists) * FILL_STEPS // room, FILL_STEPS - 1))
        else:
            lengths += _by_power(_summed(batch))
    return Shapes(dict(sorted(lengths.items())), dict(sorted(fill.items())))


def _filled(lists: pa.ListArray) -> Array:
    """The sum of each list."""
    sums = np.concatenate([[0], np.cumsum(_numbers(lists.flatten()))])
    offsets = lists.offsets.to_numpy()
    filled: Array = np.diff(sums[offsets - offsets[0]])
    return filled


def _summed(batch: pa.RecordBatch) -> Array:
    summed: Array = np.sum([_numbers(column) for column in batch.columns], axis=0)
    return summed


def _numbers(values: pa.Array) -> Array:
    numbers: Array = values.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _by_power(lengths: Array) -> Counter[int]:
    powers = np.frexp(lengths)[1] - 1  # exact below 2^53
    return Counter({1 << power: count for power, count in _counted(powers).items()})


def _counted(numbers: Array) -> Counter[int]:
    values, counts = np.unique(numbers, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
