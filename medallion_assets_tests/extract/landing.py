"""A landing folder with settled files: what the tests of extraction share."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path

from medallion_assets.extract.inventory import Export, Inventory, scan

LONG_AGO = 1_000_000_000


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Landing:
    """A landing folder with its ledger."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "landing"
        self.ledger = root / "ledger"
        self.folder.mkdir()

    def drop(self, file: str, content: bytes) -> Path:
        """A file that was left alone for long."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    def scan(self, *, wait: bool = False) -> Inventory:
        return scan(self.folder, self.ledger, wait=wait)

    def export(self, file: str, content: bytes, day: date, *, at: str | None = None) -> Export:
        return Export(sha256_of(content), file, day, len(content), self.folder / (at or file))

    def records(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.ledger.iterdir() if path.name != "_cache.json"}
