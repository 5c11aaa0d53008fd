"""A source's ledger: one small file per export, written once at first sight and never again.

Belongs here: which partition each export was claimed for, and under which names it was delivered. Does not:
looking at a landing folder (inventory.py). Nothing expires: a ledger that forgets takes an export twice.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from datetime import date
from pathlib import Path

import msgspec

from medallion_assets.storage import files

LEDGER_NAME = "_exports"
SHA256 = re.compile(r"[0-9a-f]{64}")
# Last in a record, the CRC-32 of all before it: a flipped bit would move an export to another day.
SEAL = b',"crc32":"'
END = b'"}'


class DamagedLedger(ValueError):
    """A claim that can't be read."""


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record, written once at first sight, of which partition an export belongs to.

    `order` counts the source's exports so far, where which came later matters (eval sets).
    """

    file: str
    landing_date: date
    size: int
    order: int | None = None


class Ledger:
    """The claims in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self, sha256: str, claim: Claim) -> Claim:
        """First writer wins, for ever: an export never moves. Each delivery is noted too."""
        record = _encoded(claim)
        first = _decoded(self._path(sha256), files.write_once(self._path(sha256), record))
        if first.file != claim.file:
            name = hashlib.sha256(claim.file.encode(errors="surrogateescape")).hexdigest()[:12]
            files.write_once(self.folder / f"{sha256}.{name}.json", record)
        return first

    def exports(self) -> list[str]:
        """The SHA-256 of every export claimed so far, ascending."""
        return sorted(path.stem for path in self.folder.glob("*.json") if SHA256.fullmatch(path.stem))

    def claim_on(self, sha256: str) -> Claim | None:
        path = self._path(sha256)
        return _decoded(path, path.read_bytes()) if path.is_file() else None

    def other_names(self, sha256: str) -> list[str]:
        """Under what else than its first name the export was delivered."""
        paths = self.folder.glob(f"{sha256}.*.json")
        return sorted({_decoded(path, path.read_bytes()).file for path in paths})

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.json"


def _encoded(claim: Claim) -> bytes:
    said = msgspec.json.encode(claim).removesuffix(b"}")
    return said + SEAL + _crc32(said) + END


def _decoded(path: Path, record: bytes) -> Claim:
    said, seal, rest = record.rpartition(SEAL)
    try:
        if seal and rest != _crc32(said) + END:  # older records have none
            raise ValueError("its bytes are not those that were written")
        return msgspec.json.decode(record, type=Claim)
    except ValueError as error:  # no JSON, other JSON, no UTF-8
        raise DamagedLedger(f"{path} can't be read: {error}; restore it from a back-up") from error


def _crc32(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)
