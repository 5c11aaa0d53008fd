"""The blocks of a stream as the datasets library iterates over them.

Belongs here: the one class that hooks into the library; only stream.py imports it, and only where a stream is
asked for. Does not: which rows are in a block (blocks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets.iterable_dataset import ArrowExamplesIterable

from medallion_assets.release.blocks import Group, in_order, shuffled, tables


class Blocks(ArrowExamplesIterable):  # type: ignore[misc]  # the library has no types
    """Draws anew whenever the library asks for another order, as it does for every epoch after the first."""

    def __init__(self, groups: Sequence[Group], seed: int | None) -> None:
        self._groups, self._seed = tuple(groups), seed
        blocks = in_order(groups) if seed is None else shuffled(groups, seed, 0)
        super().__init__(tables, {"blocks": blocks})

    def shuffle_data_sources(self, generator: np.random.Generator) -> ArrowExamplesIterable:
        if self._seed is None:
            return self
        draw = int(generator.integers(1, 1 << 62))
        return ArrowExamplesIterable(tables, {"blocks": shuffled(self._groups, self._seed, draw)})
