"""What a day costs on top of a long history, and many days against the same rows in one.

usage: python -m benchmarks incremental
Belongs here: the real stages (bronze, conformed, decontamination, unit), without Dagster, each figure in a
process of its own from after its imports. Does not: near-duplicates by themselves (near_duplicates.py), or
histories of other lengths (growth.py), for which MEDALLION_BENCH_HISTORY gives the rows.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from benchmarks import real_texts
from benchmarks.measure import run
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.curate.fingerprint import fingerprints_of
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stage import Stage, partitions_to_settle
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter
from medallion_assets.units import Conversation, Message

HISTORY_DAYS, DAY_ROWS, MEASURED_DAYS = 365, 1_000, 7
HISTORY_ROWS = int(os.environ.get("MEDALLION_BENCH_HISTORY") or 1_000_000)
RANGE_DAYS, RANGE_ROWS_A_DAY = 365, 1_400
FIRST = date(2023, 1, 1)
BATCH_ROWS = 2048
# Every so many words one is changed, so that no run of five words recurs in another round of the same rows.
CHANGED_WORDS = 4
# A day's rows that the history has too, from all over it.
REPEATED_ONE_IN = 10
EVAL_SET = {"name": "gsm8k_test", "fields": ["question", "answer"]}
Row = dict[str, Any]


def main(scratch: Path) -> None:
    rows_file = real_texts.rows_file("500k")
    if rows_file is None:
        print("incremental: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_500k.jsonl\n")
        return
    days_on_a_history(scratch)
    many_days_against_one(scratch)


def days_on_a_history(scratch: Path) -> None:
    store = scratch / "history"
    child(scratch, "evals", store)
    built = child(scratch, "conformed", store)
    print(f"{HISTORY_ROWS:,} conformed rows on {HISTORY_DAYS} days: {built}")
    built = child(scratch, "silver", store)
    print(f"their silver partitions, in one process: {built}")
    costs: dict[str, list[Row]] = {"history": [], "nothing": []}
    for number in range(MEASURED_DAYS):
        costs["history"].append(child(scratch, "day", store, number))
        child(scratch, "evals", scratch / f"nothing{number}")
        costs["nothing"].append(child(scratch, "day", scratch / f"nothing{number}", number))
    for measure in ("cpu", "wall"):
        pairs = [(ours[measure], bare[measure]) for ours, bare in zip(*costs.values(), strict=True)]
        medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
        ratios = [ours / bare for ours, bare in pairs]
        print(
            f"a day of {DAY_ROWS:,} rows, {measure}: {medians[0]:.2f} s on the history, "
            f"{medians[1]:.2f} s on nothing: {medians[0] / medians[1]:.2f} x, worst {max(ratios):.2f} x "
            "(at most 1.5 x)"
        )
    for side, found in costs.items():
        by_stage = {
            name: statistics.median(each["stages"][name] for each in found) for name in found[0]["stages"]
        }
        peak = max(each["peak_mib"] for each in found)
        print(f"  on {side}: {show(by_stage)}; peak {peak:.0f} MiB (history: under 2048)")
    print()


def many_days_against_one(scratch: Path) -> None:
    for name in ("many", "one"):
        child(scratch, "evals", scratch / name)
    many = child(scratch, "range", scratch / "many", RANGE_DAYS)
    one = child(scratch, "range", scratch / "one", 1)
    print(f"{RANGE_DAYS} days of {RANGE_ROWS_A_DAY:,} rows: {many}\nthe same rows on one day: {one}")
    ratios = [many[measure] / one[measure] for measure in ("cpu", "wall")]
    print(f"ratio: {ratios[0]:.2f} x CPU, {ratios[1]:.2f} x wall (at most 1.3 x)\n")


def child(scratch: Path, task: str, store: Path, number: int = 0, *, history: int = HISTORY_ROWS) -> Row:
    command = [sys.executable, "-m", "benchmarks.incremental", task, str(store), str(number)]
    environment = {"MEDALLION_BENCH_HISTORY": str(history)}
    run(command, environment=environment, folder=project_folder(), log=scratch / "log")
    found: Row = json.loads((scratch / "log").read_text().splitlines()[-1])
    return found


def show(by_stage: dict[str, float]) -> str:
    return ", ".join(f"{name} {cpu:.2f}" for name, cpu in by_stage.items())


def day(number: int) -> str:
    return (FIRST + timedelta(number)).isoformat()


def real_rows(*, first_round: int = 0) -> Iterator[list[Message]]:
    """The real rows, over and over; each round has other words."""
    path = real_texts.rows_file("500k")
    for round_ in count(first_round):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                turns = json.loads(line)["messages"]
                yield [Message(turn["role"], varied(turn["content"], round_)) for turn in turns]


def varied(text: str, round_: int) -> str:
    words = text.split(" ")
    if round_:
        words[::CHANGED_WORDS] = [f"{word}{round_}" for word in words[::CHANGED_WORDS]]
    return " ".join(words)


def pipeline(root: Path) -> tuple[PipelineStages, PartitionStore, Path]:
    config = PipelineConfig.model_validate(
        {
            "start_date": FIRST,
            "sources": [{"name": "feed", "unit": "sft_pairs", "format": "messages"}],
            "eval_sets": [EVAL_SET],
        }
    )
    landing = root / "landing"
    return stages_of(config, Roots(root, landing), base=root), PartitionStore(root), landing


def write_conformed(root: Path, _: int) -> Row:
    """As the stage would, but from memory: landing as much would take long."""
    stages, store, _landing = pipeline(root)
    stage = stages.sources[0].conformed
    rows = real_rows()
    for number in range(HISTORY_DAYS):
        key = day(number)
        count_ = (number + 1) * HISTORY_ROWS // HISTORY_DAYS - number * HISTORY_ROWS // HISTORY_DAYS

        def write(writer: PartitionWriter, key: str = key, left: int = count_) -> None:
            provenance = {
                "source": "feed",
                "landing_date": date.fromisoformat(key),
                "export_sha256": "0" * 64,
            }
            for first in range(0, left, BATCH_ROWS):
                batch = [
                    Conversation(messages).as_row() | provenance | {"record_number": first + place, "line": 1}
                    for place, messages in enumerate(islice(rows, min(BATCH_ROWS, left - first)))
                ]
                table = stage.table.schema.table(batch)
                writer.rows(table)
                writer.fingerprints(fingerprints_of(table, stage.unit, stage.compared))

        store.overwrite(stage.table, key, Build(stage.build(store, key).digests, write))
    return {}


def land_eval_set(root: Path, _: int) -> Row:
    """GSM8K's test, where the machine has it, before anything else."""
    stages, store, landing = pipeline(root)
    path = real_texts.DATA / "evals" / "gsm8k_test.jsonl"
    if path.is_file():
        land_lines(
            landing / "evals" / "gsm8k_test" / day(0) / "test.jsonl", [path.read_text(encoding="utf-8")]
        )
        build_all([stage for stage in stages.all() if is_of_evals(stage)], store, [day(0)])
    return {}


def write_silver(root: Path, _: int) -> Row:
    stages, store, _landing = pipeline(root)
    keys = [day(number) for number in range(HISTORY_DAYS)]
    return {"stages": build_all(stages.of_unit("sft_pairs"), store, keys)}


def add_day(root: Path, number: int) -> Row:
    """Its rows are the same, whatever came before."""
    stages, store, landing = pipeline(root)
    key = day(HISTORY_DAYS + number)
    repeated = DAY_ROWS // REPEATED_ONE_IN
    old = islice(real_rows(), number, None, HISTORY_ROWS // 2 // repeated)
    new = islice(real_rows(first_round=9), number * DAY_ROWS, (number + 1) * DAY_ROWS - repeated)
    rows = chain(islice(old, repeated), new)
    land_lines(landing / "feed" / key / "x.jsonl", map(exported, rows))
    started = time.process_time(), time.monotonic()
    by_stage = build_all(fed(stages), store, [key])
    return cost_since(started) | {"stages": by_stage}


def add_range(root: Path, days: int) -> Row:
    stages, store, landing = pipeline(root)
    keys = [day(number) for number in range(days)]
    rows = real_rows()
    for key in keys:
        here = islice(rows, RANGE_DAYS * RANGE_ROWS_A_DAY // days)
        land_lines(landing / "feed" / key / "x.jsonl", map(exported, here))
    started = time.process_time(), time.monotonic()
    by_stage = build_all(fed(stages), store, keys)
    return cost_since(started) | {"stages": by_stage}


def fed(stages: PipelineStages) -> list[Stage]:
    """What a day of the source passes through, up to its unit."""
    source = stages.sources[0]
    return [source.bronze, source.conformed, *stages.of_unit("sft_pairs")]


def is_of_evals(stage: Stage) -> bool:
    return stage.asset_path[1].startswith("eval_")


def exported(messages: list[Message]) -> str:
    turns = [{"role": turn.role, "content": turn.content} for turn in messages]
    return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


def land_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def build_all(stages: list[Stage], store: PartitionStore, keys: list[str]) -> dict[str, float]:
    """CPU seconds by stage."""
    found = {}
    for stage in stages:
        started = time.process_time()
        build(stage, store, keys)
        found["/".join(stage.asset_path)] = round(time.process_time() - started, 3)
    return found


def build(stage: Stage, store: PartitionStore, keys: list[str]) -> None:
    """As an asset does, with the days that these make stale."""
    if isinstance(stage, BronzeStage):
        for key, new in stage.builds(store, keys, stage.inventory(store)).items():
            store.append(stage.table, key, new)
        return
    for key in [*keys, *partitions_to_settle(stage, store, keys)]:
        store.overwrite(stage.table, key, stage.build(store, key))


def cost_since(started: tuple[float, float]) -> Row:
    return {
        "cpu": round(time.process_time() - started[0], 3),
        "wall": round(time.monotonic() - started[1], 3),
    }


TASKS = {
    "evals": land_eval_set,
    "conformed": write_conformed,
    "silver": write_silver,
    "day": add_day,
    "range": add_range,
}

if __name__ == "__main__":
    begun = time.process_time(), time.monotonic()
    done = TASKS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    found = cost_since(begun) | done
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(found))
