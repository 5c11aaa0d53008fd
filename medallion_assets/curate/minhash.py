"""MinHash signatures of shingle sets: small, comparable, and cut into bands that near-duplicates share.

Belongs here: signatures, their bands, the similarity they suggest. Does not: exact similarity (dedup.py).
A slot keeps the lowest 8 bits of a minimum ("b-bit minwise hashing", Li and König, 2010): 64 bytes a record.
Two records of Jaccard similarity 0.8 share one of the 16 bands with probability 0.9998, of 0.2 with 0.03.
"""

from __future__ import annotations

import numpy as np

from medallion_assets.text.alphabet import Array, mixed

SLOTS = 64
BANDS = 16
# Their shingles are to stay in a core's cache while they are permuted for every slot.
PASS_RECORDS = 256
# Odd numbers, so that multiplying modulo 2^32 permutes the hashes.
MULTIPLIERS = (mixed(np.arange(1, SLOTS + 1)) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
# Times this, the highest byte of a number is the sum of its bytes.
BYTES_SUMMED = np.uint64(0x0101010101010101)
# By how much a signature may understate: three standard deviations at 0.8.
MARGIN = 0.15


def signatures(shingles: Array, first: Array) -> Array:
    """uint8 (records, SLOTS) of sets of uint32 that begin at first: int64 (records + 1,); 0 where empty."""
    found = np.zeros((len(first) - 1, SLOTS), np.uint8)
    filled = np.flatnonzero(np.diff(first))
    for start in range(0, len(filled), PASS_RECORDS):
        here = filled[start : start + PASS_RECORDS]
        content = shingles[first[here[0]] : first[here[-1] + 1]]
        found[here] = _minima(content, first[here] - first[here[0]]).T
    return found


def _minima(shingles: Array, begins: Array) -> Array:
    """uint8 (SLOTS, sets) of sets that are not empty."""
    found = np.empty((SLOTS, len(begins)), np.uint8)
    permuted = np.empty_like(shingles)
    for slot, multiplier in enumerate(MULTIPLIERS):
        np.multiply(shingles, multiplier, out=permuted)
        found[slot] = np.minimum.reduceat(permuted, begins)  # its lowest byte
    return found


def bands(signatures: Array) -> Array:
    """uint32 (records, BANDS): records that agree in four slots next to each other agree in a band."""
    each: Array = np.ascontiguousarray(signatures).view(np.uint32)
    return each


def agreement(some: Array, others: Array) -> Array:
    """Share of equal slots of signatures, pair by pair: an estimate of their sets' Jaccard similarity."""
    equal = (some == others).view(np.uint64).sum(axis=1)  # bytes that count up to 8 equal slots each
    share: Array = ((equal * BYTES_SUMMED) >> np.uint64(56)) / SLOTS
    return share
