"""`make demo`: lands sample exports, materializes the whole graph through Dagster, prints what came out."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from medallion_assets.config.file import load_config
from medallion_assets.demo.exports import DAYS, land
from medallion_assets.release.manifest import RELEASES, REPORT_NAME, release_names
from medallion_assets.report.funnel import (
    gold_as_text,
    recipe_as_text,
    recipe_funnels,
    table_funnels,
    tables_as_text,
)
from medallion_assets.roots import BUCKET_SCHEME, Roots
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage import files
from medallion_assets.storage.store import PartitionStore, table_name

CONFIG = Path(__file__).resolve().parent.parent / "defs" / "pipeline" / "defs.yaml"
RECIPE, RELEASE = "sft_demo", "demo_v1"
LOG_NAME = "demo.log"
ALL_LAYERS = "group:bronze or group:silver or group:gold"


def main() -> int:
    roots = Roots.from_environment()
    store = PartitionStore(roots.store)
    stages = stages_of(load_config(CONFIG), roots, base=CONFIG.parent)
    landed = land(roots.landing)
    print(f"Sample exports in {_shown(roots.landing)}: {len(landed)} landed now.")
    before = _content(stages, store)
    started = time.monotonic()
    files.make_folder(roots.data)
    (roots.data / LOG_NAME).unlink(missing_ok=True)
    if not _materialize(roots, "--select", ALL_LAYERS, "--partition-range", f"{DAYS[0]}...{DAYS[-1]}"):
        return 1
    cut = RELEASE in release_names(store.place) or _materialize(roots, "--select", f"releases/{RELEASE}")
    if not cut:
        return 1
    after = _content(stages, store)
    changed = sum(before.get(partition) != content for partition, content in after.items())
    print(f"Done in {time.monotonic() - started:.1f} s: {changed} of {len(after)} partitions changed.\n")
    print(f"{recipe_as_text(recipe_funnels(stages, store, RECIPE))}\n")
    print(f"{gold_as_text(stages, store)}\n")
    print(tables_as_text(table_funnels(stages, store)))
    print(f"\nGold:      {_shown(store.place.shown(table_name(stages.recipes[RECIPE].table)))}")
    report = store.place.shown(f"{RELEASES}/{RELEASE}/{REPORT_NAME}")
    print(f"Release:   {_shown(report)}   (medallion audit {RELEASE})")
    warehouse = "medallion catalogue" if roots.bucket else _shown(roots.warehouse)
    print(f"Catalogue: {warehouse}   (DuckDB: select * from silver.rejects)")
    print("UI:        make dev   (then open the address it prints; Lineage shows the graph)")
    return 0


def _materialize(roots: Roots, *selection: str) -> bool:
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "asset", "materialize", "-m", "medallion_assets.definitions", *selection]
    print(
        f"Running: dagster {' '.join(f'{word!r}' if ' ' in word else word for word in command[1:])}",
        flush=True,
    )
    log = roots.data / LOG_NAME
    with log.open("a") as output:
        result = subprocess.run(command, stdout=output, stderr=output, check=False)
    if result.returncode:
        print(log.read_text()[-4000:], file=sys.stderr)
        print(f"The run failed; the whole log is in {_shown(log)}", file=sys.stderr)
    return result.returncode == 0


def _content(stages: PipelineStages, store: PartitionStore) -> dict[tuple[str, str], str]:
    """The content hash of every partition there is."""
    tables = [stage.table for stage in stages.all()]
    return {
        (table.full_name, key): manifest.content_hash
        for table in tables
        for key in store.keys(table)
        if (manifest := store.manifest(table, key))
    }


def _shown(place: Path | str) -> str:
    """Relative to where the user stands, if it lies below."""
    path = Path(place)
    if str(place).startswith(BUCKET_SCHEME):
        return str(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
