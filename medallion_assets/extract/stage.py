"""The bronze stage: a landing date's exports, added to the partition that they were claimed for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.extract.ingest import RAW_NAME, as_part, bronze_rows, keep_raw
from medallion_assets.extract.inventory import EVERYTHING, Export, Inventory, LandingRules, scan
from medallion_assets.extract.ledger import LEDGER_NAME, SHA256, Ledger
from medallion_assets.extract.limits import DEFAULT_LIMITS, Limits
from medallion_assets.extract.redact import Redaction
from medallion_assets.extract.redacted import paths_shown, redacted_rows, shown_path
from medallion_assets.schemas import BRONZE
from medallion_assets.storage.place import Place
from medallion_assets.storage.store import Append, PartitionStore, Table


@dataclass(frozen=True)
class BronzeStage:
    """Renders exports. Bronze never changes, so what is there is kept whatever code or rules made it."""

    source: str
    landing: Path
    rules: LandingRules = EVERYTHING
    limits: Limits = DEFAULT_LIMITS
    columns: tuple[str, ...] | None = None
    redaction: Redaction | None = None
    code_version: str = f"bronze-{BRONZE.version}"
    config_version: str = ""

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("bronze", self.source)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return ()

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, BRONZE, append_only=True)

    def due(self, store: PartitionStore) -> set[str]:
        return set()

    def inventory(self, store: PartitionStore, *, wait: bool = False) -> Inventory:
        ledger = store.below(self.table, LEDGER_NAME)
        if self.redaction is None:
            seen = scan(self.landing, ledger, rules=self.rules, wait=wait)
            exports = (*seen.exports, *self._left_behind(store, seen))
            return replace(seen, exports=tuple(sorted(exports, key=lambda e: (e.landing_date, e.sha256))))
        shown = partial(shown_path, redaction=self.redaction)
        with paths_shown(shown):
            return scan(self.landing, ledger, rules=replace(self.rules, shown=shown), wait=wait)

    def _left_behind(self, store: PartitionStore, seen: Inventory) -> Iterator[Export]:
        """What a killed run had copied but not added, and whose file has changed or gone since."""
        raw = self.kept_exports(store)
        present = {export.sha256 for export in seen.exports}
        manifests = (manifest for _, manifest in store.manifests(self.table, upto="9999"))
        present |= {part.export for manifest in manifests for part in manifest.parts if part.export}
        ledger = Ledger(store.below(self.table, LEDGER_NAME))
        for sha256 in sorted(set(raw.names()) - present):
            claim = ledger.claim_on(sha256) if SHA256.fullmatch(sha256) else None
            if claim is not None:
                path = raw.root / sha256
                yield Export(sha256, claim.file, claim.landing_date, claim.size, path, claim.order)

    def missing(self, store: PartitionStore, inventory: Inventory) -> dict[date, list[str]]:
        """The exports that landed and that bronze does not hold, by landing date."""
        found: dict[date, list[str]] = {}
        for day, exports in inventory.by_date().items():
            manifest = store.manifest(self.table, day.isoformat())
            held = {part.export for part in manifest.parts} if manifest else set()
            if lacking := [export.sha256 for export in exports if export.sha256 not in held]:
                found[day] = lacking
        return found

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """None: a day's bronze has no inputs but its own exports."""
        return []

    def build(self, store: PartitionStore, key: str) -> Append:
        return self.builds(store, [key], self.inventory(store))[key]

    def builds(self, store: PartitionStore, keys: Iterable[str], inventory: Inventory) -> dict[str, Append]:
        """One look at the landing folder serves all these partitions."""
        return {key: made(store) for key, made in self.made(keys, inventory).items()}

    def made(
        self, keys: Iterable[str], inventory: Inventory
    ) -> dict[str, Callable[[PartitionStore], Append]]:
        """How to make each, as values that another process can take."""
        landed = inventory.by_date()
        return {key: partial(self._append, exports=landed.get(date.fromisoformat(key), [])) for key in keys}

    def kept_exports(self, store: PartitionStore) -> Place:
        """The exact bytes of each export, under their SHA-256."""
        return store.below(self.table, RAW_NAME)

    def rows_again(self, store: PartitionStore, key: str, export_sha256: str) -> Iterable[pa.Table] | None:
        """What an export that bronze holds was rendered to, from its kept bytes; None where none are kept."""
        manifest = store.manifest(self.table, key)
        if self.redaction is not None or manifest is None:
            return None
        told, raw = manifest.summary["exports"][export_sha256], self.kept_exports(store)
        kept = raw.sound(export_sha256, as_part(export_sha256, told["bytes"]))
        if kept is None:
            return None
        day = date.fromisoformat(key)
        export = Export(export_sha256, told["file"], day, told["bytes"], kept, told.get("order"))
        return self._rows(store, export)()

    def _append(self, store: PartitionStore, exports: list[Export]) -> Append:
        by_sha = {export.sha256: export for export in exports}
        return Append(
            parts={sha256: self._rows(store, export) for sha256, export in by_sha.items()},
            summary=lambda sha256: _summary(by_sha[sha256]),
        )

    def _rows(self, store: PartitionStore, export: Export) -> Callable[[], Iterable[pa.Table]]:
        read = partial(bronze_rows, source=self.source, limits=self.limits, columns=self.columns)

        def rows() -> Iterable[pa.Table]:
            if self.redaction is not None:
                return redacted_rows(export, self.redaction, read, source=self.source)
            kept = keep_raw(export, self.kept_exports(store))
            return read(export, kept, scratch=store.root / ".scratch")

        return rows


def _summary(export: Export) -> dict[str, Any]:
    order = {} if export.order is None else {"order": export.order}
    return {"file": export.file, "bytes": export.size, **order}
