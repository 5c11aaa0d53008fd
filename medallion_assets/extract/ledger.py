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

from medallion_assets.storage.place import Place
from medallion_assets.storage.places import place_at

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
    """The claims in one folder, as they are when it is first asked."""

    def __init__(self, folder: Path | Place) -> None:
        self._place = place_at(folder).still()

    def claim(self, sha256: str, claim: Claim) -> Claim:
        """First writer wins, for ever: an export never moves. Each delivery is noted too."""
        record = _encoded(claim)
        first = self._decoded(f"{sha256}.json", self._place.write_once(f"{sha256}.json", record))
        if first.file != claim.file:
            name = hashlib.sha256(claim.file.encode(errors="surrogateescape")).hexdigest()[:12]
            self._place.write_once(f"{sha256}.{name}.json", record)
        return first

    def exports(self) -> list[str]:
        """The SHA-256 of every export claimed so far, ascending."""
        stems = (name.removesuffix(".json") for name in self._place.names())
        return [stem for stem in stems if SHA256.fullmatch(stem)]

    def claim_on(self, sha256: str) -> Claim | None:
        return self._read(f"{sha256}.json")

    def other_names(self, sha256: str) -> list[str]:
        """Under what else than its first name the export was delivered."""
        deliveries = (name for name in self._place.names() if name.startswith(f"{sha256}."))
        claims = (self._read(name) for name in deliveries if name != f"{sha256}.json")
        return sorted({claim.file for claim in claims if claim is not None})

    def _read(self, name: str) -> Claim | None:
        record = self._place.recorded(name)
        return self._decoded(name, record) if record is not None else None

    def _decoded(self, name: str, record: bytes) -> Claim:
        try:
            return _decoded(record)
        except ValueError as error:  # no JSON, other JSON, no UTF-8
            shown = self._place.shown(name)
            raise DamagedLedger(f"{shown} can't be read: {error}; restore it from a back-up") from error


def _encoded(claim: Claim) -> bytes:
    said = msgspec.json.encode(claim).removesuffix(b"}")
    return said + SEAL + _crc32(said) + END


def _decoded(record: bytes) -> Claim:
    said, seal, rest = record.rpartition(SEAL)
    if seal and rest != _crc32(said) + END:  # older records have none
        raise ValueError("its bytes are not those that were written")
    return msgspec.json.decode(record, type=Claim)


def _crc32(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)
