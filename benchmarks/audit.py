"""What an audit costs, beside the first build of what it audits: both without Dagster, each in a process.

usage: python -m benchmarks audit
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from benchmarks.measure import Cost, median_of, run
from medallion_assets.config.file import load_config
from medallion_assets.release.audit import audit
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.drift import Today
from medallion_assets.release.manifest import find_release
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import stages_of
from medallion_assets.storage.store import Append, PartitionStore

DAY = "2024-09-01"
RUNS = 3
DATA = Path(os.environ.get("MEDALLION_TEST_DATA", project_folder().parent / "shared" / "data"))
EXPORTS = {"alpaca": DATA / "sft" / "alpaca_52k.json.gz", "evals/gsm8k": DATA / "evals" / "gsm8k_test.jsonl"}
TOKENIZER = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
CONFIG = f"""
start_date: "{DAY}"
sources: [{{name: alpaca, unit: sft_pairs, format: alpaca}}]
eval_sets: [{{name: gsm8k, fields: [question, answer]}}]
recipes: [{{name: sft, unit: sft_pairs, tokenizer: {{path: {TOKENIZER}}}, max_length: 2048}}]
releases: [{{name: first, recipes: [sft], from: "{DAY}", to: "{DAY}"}}]
"""


def main(scratch: Path) -> None:
    """52k Alpaca records from landing to a release, and the audit of it."""
    (scratch / "pipeline.yaml").write_text(CONFIG)
    found: dict[str, list[Cost]] = {"first build": [], "audit": []}
    for number in range(RUNS):
        home = scratch / f"run{number}"
        for source, export in EXPORTS.items():
            landed = home / "landing" / source / DAY / export.name
            landed.parent.mkdir(parents=True)
            shutil.copyfile(export, landed)
            os.utime(landed, (1_700_000_000, 1_700_000_000))
        for what in found:
            command = [sys.executable, "-m", "benchmarks.audit", what, str(scratch), str(home)]
            cost = run(command, environment={}, folder=project_folder(), log=scratch / "log")
            found[what].append(cost)
    build, audited = (median_of(costs) for costs in found.values())
    print(f"{'52k Alpaca, landing to release':32}{build}\n{'its audit':32}{audited}")
    ratios = f"{audited.wall / build.wall:7.2f}        {audited.cpu / build.cpu:7.2f}"
    print(f"{'ratio':32}{ratios}       at most 1.1 x\n")


def _build(scratch: Path, home: Path) -> None:
    config = load_config(scratch / "pipeline.yaml")
    stages = stages_of(config, Roots(home / "data", home / "landing"), base=scratch)
    store = PartitionStore(home / "data")
    for stage in stages.all():
        made = stage.build(store, DAY)
        if isinstance(made, Append):
            store.append(stage.table, DAY, made)
        else:
            store.overwrite(stage.table, DAY, made)
    cut(Plan.of(config.releases[0], config, stages), store)


def _audit(scratch: Path, home: Path) -> None:
    config = load_config(scratch / "pipeline.yaml")
    stages = stages_of(config, Roots(home / "data", home / "landing"), base=scratch)
    store = PartitionStore(home / "data")
    if not audit(find_release("first", store.root), store, Today.of(config, stages)).passed:
        raise SystemExit("the audit failed")


if __name__ == "__main__":
    {"first build": _build, "audit": _audit}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
