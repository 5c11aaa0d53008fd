"""Which control tokens an encoded text holds, summed up, so that those of a template can be told from others.

Belongs here: sums over ids. Does not: what a text that spells one is refused for (template.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from medallion_assets.package.render.plain import Numbers
from medallion_assets.package.tokens.encode import Flat


class ControlTokens:
    """Those of a vocabulary of `size` tokens. Each counts one more than its id, as 0 is an id too."""

    def __init__(self, numbers: Collection[int], size: int) -> None:
        self.numbers = np.array(sorted(numbers), np.int64)
        self._weights = np.zeros(size, np.int64)
        self._weights[self.numbers] = self.numbers + 1

    def sum_of(self, ids: Sequence[int]) -> int:
        return int(self._weights[np.array(ids, np.int64)].sum())

    def sums(self, flat: Flat) -> Numbers:
        """By text."""
        if not len(self.numbers):
            return np.zeros(len(flat.borders) - 1, np.int64)
        # Most ids are not even near theirs, which is told without looking them up.
        near = np.flatnonzero((flat.ids >= self.numbers[0]) & (flat.ids <= self.numbers[-1]))
        running = np.concatenate([[0], np.cumsum(self._weights[flat.ids[near]])])
        sums: Numbers = np.diff(running[np.searchsorted(near, flat.borders)])
        return sums
