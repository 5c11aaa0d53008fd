"""Fingerprints: all that finding duplicates needs of a record, made once, with the conformed partition.

Belongs here: the dedup key, the shingles and the signature of each row. Does not: comparing (dedup.py).
A shingle is a run of five words; a record is the set of its shingles' hashes, of 32 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from medallion_assets.curate.minhash import SLOTS, signatures
from medallion_assets.schemas import FINGERPRINTS, PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT
from medallion_assets.text.alphabet import Array, alphabet
from medallion_assets.text.compared import CONVERSATION, text_of
from medallion_assets.text.words import begins, runs_of, words_of

CODE = (
    "medallion_assets.curate.fingerprint",
    "medallion_assets.curate.minhash",
    "medallion_assets.text",
)
SHINGLE_WORDS = 5
KEY_BYTES = 16
# What makes two records of a unit the same, if not their content.
KEY_COLUMNS: Mapping[str, str] = {ROLLOUT_UNIT: "rollout_key"}
# What near-duplicates are found by. Many rollouts answer one prompt alike, and each is an event of its own.
COMPARED: Mapping[str, tuple[str, ...]] = {
    SFT_UNIT: CONVERSATION,
    PREFERENCE_UNIT: ("prompt", "chosen", "rejected"),
    PROMPT_UNIT: ("prompt",),
    ROLLOUT_UNIT: (),
}


def key_column(unit: str) -> str:
    return KEY_COLUMNS.get(unit, "record_id")


def fingerprints_of(rows: pa.Table, unit: str, parts: Sequence[str]) -> pa.Table:
    """One fingerprint a row, of the parts compared; without any, only the key."""
    shingles, first = _shingles(rows, unit, parts)
    keys = "".join(rows.column(key_column(unit)).to_pylist())
    return pa.Table.from_arrays(
        [
            _fixed(bytes.fromhex(keys), KEY_BYTES),
            _fixed(signatures(shingles, first).tobytes(), SLOTS),
            pa.ListArray.from_arrays(first.astype(np.int32), shingles, type=FINGERPRINTS.arrow.field(2).type),
        ],
        schema=FINGERPRINTS.arrow,
    )


def _shingles(rows: pa.Table, unit: str, parts: Sequence[str]) -> tuple[Array, Array]:
    """Sorted sets of uint32, one after the other, and where each row's begins: int64 (rows + 1,)."""
    if not parts or not rows.num_rows:
        return np.zeros(0, np.uint32), np.zeros(rows.num_rows + 1, np.int64)
    texts = _texts(unit, parts)
    found, first = _side_by_side([_runs(rows, unit, said, _seed(unit, parts, said)) for said in texts])
    for start, end in pairwise(first.tolist()):
        found[start:end].sort()  # small ones in the cache: a sort of all at once takes ten times as long
    new = begins(found)
    new[first[:-1][np.diff(first) > 0]] = True
    return found[new], np.concatenate([[0], np.cumsum(new)])[first]


def _texts(unit: str, parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Which parts make a text: of a preference each by itself, or chosen and rejected could change places."""
    return [(part,) for part in parts] if unit == PREFERENCE_UNIT else [tuple(parts)]


def _runs(rows: pa.Table, unit: str, parts: Sequence[str], seed: np.uint64) -> tuple[Array, Array]:
    runs, first = runs_of(words_of(text_of(rows, unit, parts), alphabet(symbols=True)), SHINGLE_WORDS)
    return ((runs ^ seed) >> np.uint64(32)).astype(np.uint32), first


def _side_by_side(several: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Of each row, what it has in all of them."""
    if len(several) == 1:
        return several[0]
    rows = [np.repeat(np.arange(len(first) - 1), np.diff(first)) for _, first in several]
    order = np.argsort(np.concatenate(rows), kind="stable")
    together: Array = np.sum([first for _, first in several], axis=0)
    return np.concatenate([found for found, _ in several])[order], together


def _seed(unit: str, parts: Sequence[str], said: Sequence[str]) -> np.uint64:
    """Of some of the parts: records that are compared by different ones have nothing in common."""
    digest = hashlib.sha256("\0".join((unit, *sorted(parts), "", *sorted(said))).encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def _fixed(content: bytes, width: int) -> pa.FixedSizeBinaryArray:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(content) // width, [None, pa.py_buffer(content)]
    )
