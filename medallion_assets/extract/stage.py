"""The bronze stage: a landing date's exports, added to the partition that they were claimed for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from medallion_assets.extract.ingest import bronze_rows, keep_raw
from medallion_assets.extract.inventory import Export, Inventory, scan
from medallion_assets.schemas import BRONZE
from medallion_assets.storage.store import Append, PartitionStore, Table


@dataclass(frozen=True)
class BronzeStage:
    """Renders exports. Bronze never changes, so what is there is kept whatever code made it."""

    source: str
    landing: Path
    code_version: str = f"bronze-{BRONZE.version}"

    @property
    def table(self) -> Table:
        return Table("bronze", self.source, BRONZE, append_only=True)

    def inventory(self, store: PartitionStore, *, wait: bool = False) -> Inventory:
        return scan(self.landing, store.table_folder(self.table) / "_exports", wait=wait)

    def build(self, store: PartitionStore, key: str) -> Append:
        return self.builds(store, [key])[key]

    def builds(self, store: PartitionStore, keys: Iterable[str], *, wait: bool = False) -> dict[str, Append]:
        """One look at the landing folder for all these partitions."""
        landed = self.inventory(store, wait=wait).by_date()
        return {key: self._append(store, landed.get(date.fromisoformat(key), [])) for key in keys}

    def _append(self, store: PartitionStore, exports: list[Export]) -> Append:
        by_sha = {export.sha256: export for export in exports}
        return Append(
            parts={sha256: self._rows(store, export) for sha256, export in by_sha.items()},
            summary=lambda sha256: {"file": by_sha[sha256].file, "bytes": by_sha[sha256].size},
        )

    def _rows(self, store: PartitionStore, export: Export) -> Callable[[], Iterable[pa.Table]]:
        def rows() -> Iterable[pa.Table]:
            kept = keep_raw(export, store.table_folder(self.table) / "_raw")
            return bronze_rows(export, kept, source=self.source)

        return rows
