"""Laws of signatures: the same for the same set, and as alike as the sets are, within their error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.minhash import BANDS, MARGIN, SLOTS, agreement, bands, signatures
from medallion_assets.text.alphabet import Array

SETS = st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=6, unique=True), max_size=6)
PAIRS = 2000
SET_SIZE = 120


def of(sets: list[list[int]]) -> Array:
    flat = np.array([value for each in sets for value in each], np.uint32)
    return signatures(flat, np.cumsum([0, *map(len, sets)]))


def alike(similarity: float) -> tuple[Array, Array, float]:
    """Signatures of many pairs of random sets, and the Jaccard similarity that all have."""
    shared = round(2 * SET_SIZE * similarity / (1 + similarity))
    values = np.random.default_rng(0).integers(0, 2**32, (PAIRS, 2 * SET_SIZE - shared), np.uint32)
    first = np.arange(PAIRS + 1) * SET_SIZE
    some, others = values[:, :SET_SIZE], values[:, -SET_SIZE:]
    return signatures(some.ravel(), first), signatures(others.ravel(), first), shared / values.shape[1]


@given(SETS, st.randoms(use_true_random=False))
def test_a_signature_follows_from_the_set_alone(sets: list[list[int]], order: object) -> None:
    shuffled = [list(each) for each in sets]
    for each in shuffled:
        order.shuffle(each)  # type: ignore[attr-defined]
    together = of(shuffled)
    assert together.shape == (len(sets), SLOTS)
    assert [row.tobytes() for row in together] == [of([each]).tobytes() for each in sets]


def test_an_empty_set_has_zeros_wherever_it_stands() -> None:
    found = of([[], [1, 2], [], [], [3], []])
    assert found.any(axis=1).tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize("similarity", [0.0, 0.3, 0.5, 0.7, 0.8, 0.9])
def test_the_estimate_is_unbiased_but_for_slots_that_agree_by_chance(similarity: float) -> None:
    """One in 256 does. The mean of 2,000 is known to a third of a percent, three standard errors."""
    some, others, exact = alike(similarity)
    estimate = agreement(some, others)
    assert abs(estimate.mean() - (exact + (1 - exact) / 256)) < 0.004
    assert estimate.std() < 1.15 * np.sqrt(exact * (1 - exact) / SLOTS) + 0.01


@pytest.mark.parametrize(("similarity", "least"), [(0.8, 0.997), (0.9, 0.9995), (0.95, 1.0)])
def test_pairs_above_the_threshold_become_candidates(similarity: float, least: float) -> None:
    some, others, exact = alike(similarity)
    found = (bands(some) == bands(others)).any(axis=1) & (agreement(some, others) >= exact - MARGIN)
    assert found.mean() >= least


def test_few_pairs_that_have_little_in_common_do() -> None:
    some, others, _ = alike(0.2)
    assert (bands(some) == bands(others)).any(axis=1).mean() < 0.05


@given(st.integers(0, BANDS - 1), st.integers(0, SLOTS - 1))
def test_a_band_is_four_slots_next_to_each_other(band: int, slot: int) -> None:
    signature = np.arange(1, SLOTS + 1, dtype=np.uint8)[None]
    other = signature.copy()
    other[0, slot] += 1
    same = bands(signature) == bands(other)
    assert bands(signature).shape == (1, BANDS)
    assert bool(same[0, band]) == (slot // 4 != band)


def test_agreement_is_the_share_of_equal_slots() -> None:
    some = np.zeros((2, SLOTS), np.uint8)
    others = some.copy()
    others[1, : SLOTS // 4] = 7
    assert agreement(some, others).tolist() == [1.0, 0.75]
