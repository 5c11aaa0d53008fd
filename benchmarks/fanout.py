"""Each backend against the plain loop: 40 small partitions, one large one by ranges of rows, and empty tasks.

usage: python -m benchmarks fanout
Belongs here: what fan-out costs and gains on this machine. Does not: what the stages cost (whole_path.py). A
Ray cluster of one node is started beforehand; its start is in no figure but the processor time of `ray`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import run
from benchmarks.range_overhead import row_of
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.fanout.backend import LOCAL, Backend, Task
from medallion_assets.fanout.partitions import Fanout
from medallion_assets.fanout.pool import Pool
from medallion_assets.fanout.ray_tasks import RayTasks
from medallion_assets.roots import project_folder
from medallion_assets_tests.fanout.cluster import running_cluster
from medallion_assets_tests.fanout.ranges import built
from medallion_assets_tests.pipeline.works import LONG_AGO, Works

ROWS = Path(os.environ.get("MEDALLION_BENCH_ROWS", project_folder().parent / "rows")) / "sft_52k.jsonl"
FIRST, DAYS, ROWS_A_DAY, WORKERS, EMPTY_TASKS = date(2024, 1, 1), 40, 200, 2, 1000
TOKENIZER = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": FIRST,
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "chats", "unit": "sft_pairs", "format": "messages"},
        ],
        "recipes": [{"name": "sft", "unit": "sft_pairs", "tokenizer": {"path": str(TOKENIZER)}}],
    }
)
BACKENDS: dict[str, Callable[[], Backend]] = {
    "local": lambda: LOCAL,
    "pool": lambda: Pool(WORKERS),
    "ray": lambda: RayTasks(WORKERS),
}


def main(scratch: Path) -> None:
    land_days(scratch / "days")
    show(scratch, "days", f"{DAYS} partitions of {2 * ROWS_A_DAY} rows x 5 tables")
    if ROWS.is_file():
        land_large(scratch / "rows")
        show(scratch, "rows", f"one partition of {count(ROWS):,} conversations, by ranges of rows")
    show(scratch, "tasks", f"{EMPTY_TASKS} empty tasks")


def show(scratch: Path, what: str, title: str) -> None:
    print(f"{title}, {WORKERS} workers:")
    found = {}
    for backend in BACKENDS:
        log = scratch / "log"
        command = [sys.executable, "-m", "benchmarks.fanout", what, backend, str(scratch / what)]
        cost = run(command, environment={}, folder=project_folder(), log=log)
        found[backend] = told = json.loads(log.read_text().splitlines()[-1])
        same = "" if told["stored"] == found["local"]["stored"] else "   OTHER BYTES"
        ratio = told["seconds"] / found["local"]["seconds"]
        print(f"  {backend:6} {told['seconds']:7.2f} s wall, {ratio:5.2f} x local; with start:{cost}{same}")
    print()


def land_days(folder: Path) -> None:
    works = Works(folder, CONFIG)
    for number in range(DAYS):
        day = days(DAYS)[number]
        for source in ("alpaca", "chats"):
            works.land(f"{source}/{day}/a.jsonl", [row_of(source, day, n) for n in range(ROWS_A_DAY)])


def land_large(folder: Path) -> None:
    landed = folder / "landing" / "chats" / days(1)[0] / "a.jsonl"
    landed.parent.mkdir(parents=True)
    shutil.copyfile(ROWS, landed)
    os.utime(landed, (LONG_AGO, LONG_AGO))


def days(number: int) -> list[str]:
    return [(FIRST + timedelta(each)).isoformat() for each in range(number)]


def count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def child(what: str, backend: Backend, folder: Path) -> dict[str, object]:
    list(backend.map(_nothing, tasks(WORKERS)))  # workers are there
    started = time.monotonic()
    stored: object = None
    if what == "tasks":
        list(backend.map(_nothing, tasks(EMPTY_TASKS)))
    else:
        shutil.rmtree(folder / "data", ignore_errors=True)
        fanout = Fanout(backend, large_rows=10_000)
        stored = sorted(built(Works(folder, CONFIG), days(DAYS if what == "days" else 1), fanout).items())
    return {"seconds": time.monotonic() - started, "stored": stored}


def tasks(number: int) -> Sequence[Task[int]]:
    return [Task(f"task {each}", each) for each in range(number)]


def _nothing(number: int) -> int:
    return number


if __name__ == "__main__":
    from benchmarks import fanout  # by its name, under which workers find its functions

    with ExitStack() as stack:
        if sys.argv[2] == "ray":
            stack.enter_context(running_cluster(1, processors=WORKERS))
        print(json.dumps(fanout.child(sys.argv[1], BACKENDS[sys.argv[2]](), Path(sys.argv[3]))))
