"""The bytes of a small pipeline as hashes, with the libraries that made them, and how two of these differ.

Belongs here: building it, hashing its tables, saying which table changed and whether libraries did too. Does
not: the hashes themselves (hashes.json), or writing them (__main__.py). Manifests are left out: they hold
digests of the code, which change by design.
"""

from __future__ import annotations

import hashlib
import json
import platform
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from medallion_assets.fanout.versions import LIBRARIES as ROW_LIBRARIES
from medallion_assets.release.pins import installed_packages
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.pipeline.sample import alpaca
from medallion_assets_tests.pipeline.units_sample import CONFIG, DAY_AFTER, DAYS, LANDINGS
from medallion_assets_tests.pipeline.works import Works

FILE = Path(__file__).with_name("hashes.json")
COMMAND = "python -m medallion_assets_tests.golden"
# Beside those that make rows: what reads containers and personal data, and templates' own library.
LIBRARIES = sorted({*ROW_LIBRARIES, "phonenumbers", "python-stdnum", "transformers", "zstandard"})
# What text kernels, tokenizers and deduplication are tried on, beside the sample of all units.
WORDS = "the same words again, but for the last one of them, which is another each time: "
TEXTS = (
    "\ufeffschön\u200b \u0130stanbul  naïve\tcafé e\u0301",
    "Ã¼ber mojibake â€” and &amp; entities",
    "日本語の文章です。 한국어 문장 العربية हिन्दी",
    "code:\n```python\nprint('x' * 3)\n```\r\n\x0bdone",
    *(WORDS * 4 + word for word in ("first", "second", "third")),
)


class Hashes(msgspec.Struct, frozen=True):
    """Of its rows and rejects as values, and of the files that hold them."""

    rows: str
    files: str


class Golden(msgspec.Struct, frozen=True):
    """By table, in the order in which data flows."""

    environment: dict[str, str]
    tables: dict[str, Hashes]

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def pinned() -> Golden:
    return msgspec.json.decode(FILE.read_bytes(), type=Golden)


def golden(folder: Path) -> Golden:
    """Of this code in this environment."""
    works = Works(folder, CONFIG)
    for landings in LANDINGS.values():
        for name, rows in landings.items():
            works.land(name, rows)
    works.land(f"alpaca/{DAYS[1]}/texts.jsonl", [alpaca(f"ask {n}", text) for n, text in enumerate(TEXTS)])
    for day in (*DAYS, DAY_AFTER):
        works.build_day(day)
    tables = {stage.table.full_name: _hashes(works.store, stage.table) for stage in works.stages.all()}
    return Golden(_environment(), tables)


def _environment() -> dict[str, str]:
    installed = installed_packages()
    versions = {name: installed.get(name, "none") for name in LIBRARIES}
    return {"python": platform.python_version(), "unicode": unicodedata.unidata_version, **versions}


def _hashes(store: PartitionStore, table: Table) -> Hashes:
    rows, files = hashlib.sha256(), hashlib.sha256()
    for key in store.keys(table):
        for value in _values(store, table, key):
            rows.update(json.dumps([key, value], default=str).encode())
        manifest = store.manifest(table, key)
        files.update(json.dumps([key, [part.sha256 for part in manifest.files] if manifest else []]).encode())
    return Hashes(rows.hexdigest()[:16], files.hexdigest()[:16])


def _values(store: PartitionStore, table: Table, key: str) -> Iterator[Any]:
    for rejects in (False, True):
        if not (rejects and table.append_only):
            for batch in store.batches(table, key, rejects=rejects):
                yield from batch.to_pylist()


def differences(pinned: Golden, now: Golden) -> list[str]:
    """What changed, and whose doing it can be; nothing where all bytes are the same, whatever made them."""
    changed = [*_changed(pinned.tables, now.tables)]
    if not changed:
        return []
    others = [
        f"{name} is {now.environment.get(name, 'none')} here, {version} there"
        for name, version in pinned.environment.items()
        if now.environment.get(name, "none") != version
    ]
    whose = (
        f"this environment is not the one that the hashes were made in: {'; '.join(others)}"
        if others
        else "this is the environment that the hashes were made in, so the code has changed what it makes"
    )
    return [*changed, whose, f"the first of these tables is where to look; if it is meant so: {COMMAND}"]


def _changed(before: dict[str, Hashes], now: dict[str, Hashes]) -> Iterator[str]:
    for name in {**now, **before}:
        then, found = before.get(name), now.get(name)
        if then is None or found is None:
            yield f"{name} is {'new' if then is None else 'gone'}"
        elif then.rows != found.rows:
            yield f"{name} has other rows"
        elif then.files != found.files:
            yield f"{name} has the same rows in other bytes"
