"""A year of daily partitions in one range run, against the same stages without Dagster; events by type.

usage: python -m benchmarks range_overhead
Belongs here: what Dagster adds to a range run. Does not: how fast the stages are (incremental.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from benchmarks.measure import Cost, run
from medallion_assets.config.file import load_config
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.memory import kept_for_the_next_batch
from medallion_assets.storage.store import Append, PartitionStore
from medallion_assets_tests.driven import environment_of
from medallion_assets_tests.instance import instance_of

FIRST, DAYS, ROWS_A_DAY = date(2024, 1, 1), 365, 20
TOKENIZER = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
CONFIG = f"""
start_date: "{FIRST}"
sources:
  - {{name: alpaca, unit: sft_pairs, format: alpaca}}
  - {{name: chats, unit: sft_pairs, format: messages}}
recipes: [{{name: sft, unit: sft_pairs, tokenizer: {{path: {TOKENIZER}}}, max_length: 2048}}]
"""
DEFINITIONS = """
from pathlib import Path
from medallion_assets import build_pipeline
defs = build_pipeline(Path(__file__).with_name("pipeline.yaml"))
"""


def main(scratch: Path) -> None:
    (scratch / "pipeline.yaml").write_text(CONFIG)
    (scratch / "definitions.py").write_text(DEFINITIONS)
    assets = len(list(pipeline(scratch, scratch)[0].all()))
    print(f"{DAYS} days of {ROWS_A_DAY} rows from each of 2 sources, {assets} assets, one range run:")
    for side in ("bare", "dagster"):
        (scratch / side).mkdir()
        land(scratch / side / "landing")
    environment = environment_of(scratch / "dagster")
    instance = instance_of(scratch / "dagster" / "home", environment)
    for what in ("first", "again, nothing new"):
        bare = child(scratch, scratch / "bare")
        ours = range_run(scratch, environment)
        added = 1000 * (ours.cpu - bare.cpu) / (DAYS * assets)
        print(
            f"  {what:20} bare {bare}\n"
            f"  {'':20} ours {ours}   {added:.1f} ms CPU more for a partition of an asset"
        )
    show_events(instance)
    instance.dispose()


def land(landing: Path) -> None:
    for number in range(DAYS):
        day = (FIRST + timedelta(number)).isoformat()
        for source in ("alpaca", "chats"):
            path = landing / source / day / "export.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text("".join(f"{row_of(source, day, n)}\n" for n in range(ROWS_A_DAY)))
            os.utime(path, (1_700_000_000, 1_700_000_000))


def row_of(source: str, day: str, number: int) -> str:
    words = [hashlib.sha256(f"{source} {day} {number} {n}".encode()).hexdigest()[:6] for n in range(30)]
    question, answer = " ".join(words[:10]), " ".join(words[10:])
    if source == "alpaca":
        return json.dumps({"instruction": question, "input": "", "output": answer})
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns})


def range_run(scratch: Path, environment: dict[str, str]) -> Cost:
    dagster = str(Path(sys.executable).with_name("dagster"))
    last = FIRST + timedelta(DAYS - 1)
    command = [dagster, "asset", "materialize", "-f", str(scratch / "definitions.py"), "--select", "*"]
    command += ["--partition-range", f"{FIRST}...{last}"]
    return run(command, environment=environment, folder=scratch, log=scratch / "log")


def show_events(instance: dg.DagsterInstance) -> None:
    """Of the last run, by type: how many for each partition of an asset, and how large."""
    [record] = instance.get_run_records(limit=1)
    entries = instance.all_logs(record.dagster_run.run_id)
    kinds = Counter(
        entry.dagster_event.event_type_value if entry.dagster_event else "LOG" for entry in entries
    )
    print(f"  events of the last run: {len(entries)}, {len(entries) / DAYS:.1f} a day")
    for kind, count in kinds.most_common(8):
        print(f"    {kind:36}{count:7}")
    print()


def child(scratch: Path, folder: Path) -> Cost:
    command = [sys.executable, "-m", "benchmarks.range_overhead", str(scratch), str(folder)]
    return run(command, environment={}, folder=project_folder(), log=scratch / "log")


def pipeline(scratch: Path, folder: Path) -> tuple[PipelineStages, PartitionStore]:
    roots = Roots(folder / "data", folder / "landing")
    config = load_config(scratch / "pipeline.yaml")
    return stages_of(config, roots, base=scratch), PartitionStore(roots.data)


def build_all(scratch: Path, folder: Path) -> None:
    """What the range run does, without Dagster: stage after stage, day after day."""
    stages, store = pipeline(scratch, folder)
    keys = [(FIRST + timedelta(number)).isoformat() for number in range(DAYS)]
    for bronze in stages.bronze():
        for key, append in bronze.builds(store, keys, bronze.inventory(store)).items():
            with kept_for_the_next_batch():
                store.append(bronze.table, key, append)
    for stage in stages.all():
        for key in keys if not stage.table.append_only else ():
            build = stage.build(store, key)
            assert not isinstance(build, Append)
            with kept_for_the_next_batch():
                store.overwrite(stage.table, key, build)


if __name__ == "__main__":
    build_all(Path(sys.argv[1]), Path(sys.argv[2]))
