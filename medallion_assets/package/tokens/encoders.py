"""Who turns texts into ids: the fastest library that is proven to give those of `tokenizers`.

Belongs here: choosing and proving. Does not: labels (encode.py). What `tokenizers` gives is right by
definition; `fastokens` is many times faster and knows fewer tokenizers, so it is used where, for these very
files and builds, it gave the same ids for thousands of hostile texts, and is compared again on a share of the
run's own texts. A difference found then is an error, recorded, and the next run uses `tokenizers`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from medallion_assets.package.tokens.encode import Encode, Flat
from medallion_assets.package.tokens.hostile_texts import hostile_texts
from medallion_assets.storage.files import make_folder, replace_atomically

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# One text of so many is encoded by both, and the first of each batch.
COMPARED_SHARE = 1000
# `tokenizers` is done with so much before fastokens has read a large vocabulary and proven itself.
SMALL_CHARACTERS = 1 << 20


class EncodersDisagree(RuntimeError):
    """A text that fastokens encodes otherwise than tokenizers, though thousands were the same."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"fastokens and tokenizers give different ids for {text[:200]!r}; this is on record now: "
            "run the partition again, and tokenizers alone will be used"
        )


class Proof(msgspec.Struct, frozen=True):
    """What was compared, and whether all ids were the same."""

    tokenizer: str
    builds: dict[str, str]
    texts: int
    texts_sha256: str
    identical: bool


@dataclass(frozen=True)
class Proofs:
    """Where the proofs of one tokenizer are kept; without a folder each process makes its own."""

    tokenizer: str
    folder: Path | None

    def known(self) -> Proof | None:
        path = self._path
        return msgspec.json.decode(path.read_bytes(), type=Proof) if path and path.is_file() else None

    def record(self, texts: Sequence[str], *, identical: bool) -> Proof:
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        proof = Proof(self.tokenizer, builds(), len(texts), digest, identical)
        if path := self._path:
            make_folder(path.parent)
            replace_atomically(path, msgspec.json.format(msgspec.json.encode(proof)) + b"\n")
        return proof

    @property
    def _path(self) -> Path | None:
        if self.folder is None:
            return None
        builds_digest = hashlib.sha256(repr(sorted(builds().items())).encode()).hexdigest()
        return self.folder / f"fastokens-{self.tokenizer[:16]}-{builds_digest[:16]}.json"


@cache
def builds() -> dict[str, str]:
    """What a proof holds for."""
    found = {name: importlib.metadata.version(name) for name in ("fastokens", "tokenizers")}
    return found | {"machine": platform.machine()}


def encoder(core: Tokenizer, proofs: Proofs) -> Encode:
    """The fastest that is right."""
    right = by_tokenizers(core)
    fast = by_fastokens(core)
    if fast is None:
        return right
    proof = proofs.known() or _proven(core, fast, right, proofs)
    return _compared(fast, right, proofs) if proof.identical else right


def once_it_pays(right: Encode, prepared: Callable[[], Encode]) -> Encode:
    """Encodes with the one at hand, up to where preparing the fastest is worth it: most days are small."""
    fastest = cache(prepared)
    so_far = 0

    def encode(texts: Sequence[str]) -> Flat:
        nonlocal so_far
        so_far += sum(map(len, texts))
        return right(texts) if so_far <= SMALL_CHARACTERS else fastest()(texts)

    return encode


def by_tokenizers(core: Tokenizer) -> Encode:
    def encode(texts: Sequence[str]) -> Flat:
        found = core.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [np.array(encoding.ids, np.int32) for encoding in found]
        borders = np.cumsum([0, *map(len, ids)], dtype=np.int64)
        return Flat(np.concatenate([np.empty(0, np.int32), *ids]), borders)

    return encode


def by_fastokens(core: Tokenizer) -> Encode | None:
    """None where the library is not installed, or doesn't know this kind of tokenizer."""
    try:
        import fastokens

        fast = fastokens.Tokenizer.from_json_str(core.to_str())
    except (ImportError, ValueError, RuntimeError, NotImplementedError):
        return None

    def encode(texts: Sequence[str]) -> Flat:
        ids, borders = fast.encode_batch_flat(list(texts))
        return Flat(np.frombuffer(ids, np.int32), np.frombuffer(borders, np.int64))

    return encode


def same_ids(one: Encode, other: Encode, texts: Sequence[str]) -> bool:
    mine, theirs = one(texts), other(texts)
    return np.array_equal(mine.borders, theirs.borders) and np.array_equal(mine.ids, theirs.ids)


def _proven(core: Tokenizer, fast: Encode, right: Encode, proofs: Proofs) -> Proof:
    texts = hostile_texts(core)
    try:
        identical = same_ids(fast, right, texts)
    except Exception:  # whatever it is that the library can't do
        identical = False
    return proofs.record(texts, identical=identical)


def _compared(fast: Encode, right: Encode, proofs: Proofs) -> Encode:
    """Encodes with the fast one, and a share of the texts with both."""

    def encode(texts: Sequence[str]) -> Flat:
        found = _or_else(fast, right, texts)
        for place in range(0, len(texts), COMPARED_SHARE):
            ids = found.ids[found.borders[place] : found.borders[place + 1]]
            if not np.array_equal(ids, right(texts[place : place + 1]).ids):
                proofs.record(texts[place : place + 1], identical=False)
                raise EncodersDisagree(texts[place])
        return found

    return encode


def _or_else(fast: Encode, right: Encode, texts: Sequence[str]) -> Flat:
    """The fast one's, or the right one's where it gives up, as on a text beyond its limits."""
    try:
        return fast(texts)
    except Exception:
        return right(texts)
