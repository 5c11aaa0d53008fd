"""From a complete export in the landing folder to gold, with webserver, daemon and code server running.

usage: python -m benchmarks micro_batch
Belongs here: how long it takes and where the time goes, by the event log. Does not: starting an instance
(medallion_assets_tests/instance.py).
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dagster import DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import RunRecord

from benchmarks import real_texts
from medallion_assets.demo.text import talks
from medallion_assets_tests.instance import RunningInstance, running_instance, wait_until

SOURCE, RECIPE = "messages", "sft_demo"
EXPORTS, ROWS = 6, 1_000
MOST_SECONDS_BETWEEN, GIVE_UP_SECONDS = 12.0, 300.0
LAYERS = ("bronze", "silver", "gold")


def main(scratch: Path) -> None:
    with running_instance(scratch) as running:
        rows = conversations()
        measured = [one_export(running, list(islice(rows, ROWS)), number) for number in range(EXPORTS)]
    seconds = sorted(each.seconds for each in measured)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"an export of {ROWS:,} rows, landed to gold, {EXPORTS} times: "
        f"median {statistics.median(seconds):.1f} s (at most 30), worst {seconds[-1]:.1f} s (at most 60); "
        f"load {load}"
    )
    for name in measured[0].parts:
        taken = [each.parts.get(name, 0.0) for each in measured]
        print(f"  {name:28}{statistics.median(taken):6.1f} s, worst {max(taken):.1f} s")
    print()


@dataclass(frozen=True)
class Measured:
    """Seconds from the move into the landing folder until gold's manifest names the export; and what of."""

    seconds: float
    parts: dict[str, float]


def conversations() -> Iterator[str]:
    """Lines of JSON; real ones where the machine has them."""
    if path := real_texts.rows_file("52k"):
        with path.open(encoding="utf-8") as lines:
            yield from (json.dumps({"messages": json.loads(line)["messages"]}) for line in lines)
        return
    for talk in talks(seed=1, count=EXPORTS * ROWS):
        roles = ("user", "assistant")
        turns = [
            {"role": role, "content": text}
            for turn in talk.turns
            for role, text in zip(roles, turn, strict=True)
        ]
        yield json.dumps({"messages": turns})


def one_export(running: RunningInstance, rows: list[str], number: int) -> Measured:
    """Lands it at a moment that the sensor can't know, and waits until it is through."""
    time.sleep(random.uniform(0, MOST_SECONDS_BETWEEN))
    waiting = running.roots.data.parent / f"export{number}.jsonl"
    waiting.write_text("".join(f"{row}\n" for row in rows))
    before = gold_manifests(running)
    target = running.roots.landing / SOURCE / waiting.name
    target.parent.mkdir(parents=True, exist_ok=True)
    landed = time.time()
    os.utime(waiting, (landed, landed))
    waiting.rename(target)
    wait_until(lambda: gold_manifests(running) != before, GIVE_UP_SECONDS)
    named = time.time()
    record = wait_until(lambda: finished_run(running, landed), GIVE_UP_SECONDS)
    return Measured(named - landed, parts_of(running, record, landed))


def gold_manifests(running: RunningInstance) -> dict[str, int]:
    found = (running.roots.data / "gold" / RECIPE).rglob("_manifest.json")
    return {str(path): path.stat().st_mtime_ns for path in found}


def finished_run(running: RunningInstance, since: float) -> RunRecord | None:
    records = running.instance.get_run_records(RunsFilter(tags={"medallion/source": SOURCE}), limit=1)
    done = [r for r in records if r.dagster_run.is_finished and r.create_timestamp.timestamp() > since]
    if done and done[0].dagster_run.status is not DagsterRunStatus.SUCCESS:
        raise RuntimeError(f"run {done[0].dagster_run.run_id} failed")
    return done[0] if done else None


def parts_of(running: RunningInstance, record: RunRecord, landed: float) -> dict[str, float]:
    run_id = record.dagster_run.run_id
    stats = running.instance.get_run_stats(run_id)
    steps = running.instance.get_run_step_stats(run_id)
    parts = {
        "until the sensor asks": stats.enqueued_time - landed,
        "in the queue": stats.launch_time - stats.enqueued_time,
        "process start and imports": stats.start_time - stats.launch_time,
    }
    for layer in LAYERS:
        taken = [s for s in steps if s.step_key.startswith(f"{layer}__") and not is_check(s.step_key)]
        parts[layer] = sum(s.end_time - s.start_time for s in taken)
    checks = [s for s in steps if is_check(s.step_key)]
    parts["checks"] = sum(s.end_time - s.start_time for s in checks)
    parts["between steps and at the end"] = (
        stats.end_time - stats.start_time - sum(s.end_time - s.start_time for s in steps)
    )
    return parts


def is_check(step_key: str) -> bool:
    return not step_key.startswith(LAYERS) or step_key.endswith(
        ("conservation", "readable_exports", "reject_rate", "removal_rate")
    )
