"""`make bench`: prints each measurement with its bound and the ratio between them.

usage: python -m benchmarks [NAME …]        names are those at the end of this file; all if none is given
Real data is looked for in MEDALLION_TEST_DATA, default ../shared/data, and in MEDALLION_BENCH_ROWS, a folder
with sft_52k.jsonl and sft_500k.jsonl; MEDALLION_BENCH_PEERS names a python with datatrove and datasketch,
MEDALLION_BENCH_TRL one with TRL.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    audit,
    decontamination_cost,
    fanout,
    gold,
    growth,
    incremental,
    micro_batch,
    near_duplicates,
    packing,
    range_overhead,
    stream,
    whole_path,
)
from benchmarks.measure import Cost, median_of, run
from medallion_assets.roots import Roots, project_folder
from medallion_assets.storage.manifest import Manifest

DATA = Path(os.environ.get("MEDALLION_TEST_DATA", project_folder().parent / "shared" / "data"))
ALPACA = DATA / "sft" / "alpaca_52k.json.gz"
TOKENIZER = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
DAY = "2024-09-01"
RUNS = 3
MANY_ROWS = 500_000
CONFIG = f"""
start_date: "{DAY}"
sources: [{{name: alpaca, unit: sft_pairs, format: alpaca}}]
recipes: [{{name: sft, unit: sft_pairs, tokenizer: {{path: {TOKENIZER}}}, max_length: 2048}}]
"""
DEFINITIONS = """
from pathlib import Path
from medallion_assets import build_pipeline
defs = build_pipeline(Path(__file__).with_name("pipeline.yaml"))
"""


def materialize(scratch: Path, export: Path | None, *, data: Path) -> Cost:
    """A run of one partition through all layers, from the command line, on the store `data`."""
    roots = Roots(data, data / "landing")
    if export is not None:
        (roots.landing / "alpaca" / DAY).mkdir(parents=True, exist_ok=True)
        landed = roots.landing / "alpaca" / DAY / export.name
        shutil.copyfile(export, landed)
        os.utime(landed, (1_700_000_000, 1_700_000_000))
    (scratch / "pipeline.yaml").write_text(CONFIG)
    (scratch / "defs.py").write_text(DEFINITIONS)
    layers = "group:bronze or group:silver or group:gold"
    return dagster_run(scratch, "defs.py", layers, {"MEDALLION_DATA": str(data)})


def dagster_run(scratch: Path, file: str, select: str, environment: dict[str, str]) -> Cost:
    home = scratch / "home"
    if not home.exists():
        home.mkdir()
        shutil.copyfile(project_folder() / "dagster.yaml", home / "dagster.yaml")
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "asset", "materialize", "-f", file, "--select", select, "--partition", DAY]
    environment = {**environment, "DAGSTER_HOME": str(home)}
    return run(command, environment=environment, folder=scratch, log=scratch / "log")


def path(scratch: Path) -> None:
    """52k Alpaca records, landing to gold, against the bare kernels; then packing and the rerun."""
    costs: dict[str, list[Cost]] = {"ours": [], "template": [], "string": []}
    for number in range(RUNS):
        for rendering in ("template", "string"):
            command = [sys.executable, "-m", "benchmarks.bare_kernels", str(ALPACA), str(TOKENIZER)]
            command += [str(scratch / "bare"), rendering]
            costs[rendering].append(
                run(command, environment={}, folder=project_folder(), log=scratch / "log")
            )
        costs["ours"].append(materialize(scratch, ALPACA, data=scratch / f"store{number}"))
    ours, template, string = (median_of(costs[side]) for side in ("ours", "template", "string"))
    show("52k Alpaca, landing to gold", ours, "bare, chat template rendered", template, bound="at most 2 x")
    show("the same", ours, "bare, template known by heart", string)
    show(
        "the same again, nothing new", materialize(scratch, None, data=scratch / "store0"), "first run", ours
    )
    (manifest,) = (scratch / "store0" / "gold").rglob("_manifest.json")
    summary = Manifest.read(manifest).summary
    print(f"packing at 2048: {summary['packing_efficiency']:.4%} (at least 99.9 %), {summary['bins']} bins\n")


def start(scratch: Path) -> None:
    """A trivial partition through all layers against an empty asset."""
    export = scratch / "one.json"
    export.write_text(json.dumps([{"instruction": "Say hello.", "output": "Hello."}]))
    shutil.copyfile(Path(__file__).with_name("empty_asset.py"), scratch / "empty_asset.py")
    dagster_run(scratch, "empty_asset.py", "*", {})  # makes the instance's home
    pairs = []
    for number in range(2 * RUNS - 1):
        empty = dagster_run(scratch, "empty_asset.py", "*", {})
        pairs.append((materialize(scratch, export, data=scratch / f"trivial{number}"), empty))
    ours, empty = (median_of([pair[side] for pair in pairs]) for side in (0, 1))
    show("one record, landing to gold", ours, "an empty asset", empty, bound="at most 2 s above")
    print(f"difference: {ours.wall - empty.wall:.2f} s wall\n")


def memory(scratch: Path) -> None:
    """500,000 records in one partition."""
    rows = json.loads(gzip.decompress(ALPACA.read_bytes()))
    export = scratch / "many.jsonl"
    with export.open("w") as file:
        for number in range(MANY_ROWS):
            row = rows[number % len(rows)]
            file.write(
                json.dumps(row | {"instruction": f"{row['instruction']} (variant {number // len(rows)})"})
                + "\n"
            )
    cost = materialize(scratch, export, data=scratch / "many")
    size = f"{MANY_ROWS:,} records in one partition ({export.stat().st_size / 1e6:.0f} MB)"
    print(f"{size}:{cost}   (under 1536 MiB)\n")


def show(name: str, ours: Cost, other_name: str, other: Cost, *, bound: str = "") -> None:
    print(f"{name:32}{ours}\n{other_name:32}{other}")
    print(f"{'ratio':32}{ours.wall / other.wall:7.2f}        {ours.cpu / other.cpu:7.2f}       {bound}\n")


if __name__ == "__main__":
    benchmarks = {
        "path": path,
        "start": start,
        "memory": memory,
        "near_duplicates": near_duplicates.main,
        "incremental": incremental.main,
        "decontamination_cost": decontamination_cost.main,
        "gold": gold.main,
        "packing": packing.main,
        "whole_path": whole_path.main,
        "audit": audit.main,
        "micro_batch": micro_batch.main,
        "range_overhead": range_overhead.main,
        "growth": growth.main,
        "fanout": fanout.main,
        "stream": stream.main,
    }
    for chosen in sys.argv[1:] or benchmarks:
        with tempfile.TemporaryDirectory() as folder:
            benchmarks[chosen](Path(folder))
