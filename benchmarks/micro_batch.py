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
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dagster import DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

from benchmarks import real_texts
from benchmarks.process_tree import descendants
from medallion_assets.demo.text import talks
from medallion_assets.storage.manifest import Manifest
from medallion_assets_tests.driven import Driven, driven
from medallion_assets_tests.instance import wait_for

SOURCE, RECIPE = "messages", "sft_demo"
EXPORTS, ROWS = 20, 1_000
BURST, BURST_DAYS = 1_000, ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05")
IDLE_SECONDS = 60.0
MOST_SECONDS_BETWEEN, GIVE_UP_SECONDS = 12.0, 300.0
LAYERS = ("bronze", "silver", "gold")


def main(scratch: Path) -> None:
    with driven(scratch) as running:
        latency(running)
        burst(running)
        idle(running)


def latency(running: Driven) -> None:
    rows = conversations()
    measured = [one_export(running, list(islice(rows, ROWS)), number) for number in range(EXPORTS)]
    seconds = sorted(each.seconds for each in measured)
    print(
        f"an export of {ROWS:,} rows, landed to gold, {EXPORTS} times: "
        f"median {statistics.median(seconds):.1f} s (at most 30), worst {seconds[-1]:.1f} s (at most 60); "
        f"{load()}"
    )
    for name in measured[0].parts:
        taken = [each.parts.get(name, 0.0) for each in measured]
        print(f"  {name:28}{statistics.median(taken):6.1f} s, worst {max(taken):.1f} s")
    print()


def burst(running: Driven) -> None:
    """Many exports of a row each at once, over days and two sources: in how many runs, how fast."""
    rows = conversations()
    waiting = running.roots.data.parent / "burst"
    for number in range(BURST):
        source, day = ("messages", "sharegpt")[number % 2], BURST_DAYS[number % len(BURST_DAYS)]
        (waiting / source / day).mkdir(parents=True, exist_ok=True)
        turns = json.loads(next(rows))["messages"]
        row = {"messages": turns} if source == "messages" else {"conversations": shared(turns)}
        (waiting / source / day / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
    before = running.instance.get_runs_count()
    landed = time.time()
    for source in waiting.iterdir():
        (running.roots.landing / source.name).mkdir(exist_ok=True)
        for day in source.iterdir():
            day.rename(running.roots.landing / source.name / day.name)
    wait_for(lambda: bronze_rows(running) == BURST, seconds=GIVE_UP_SECONDS, what="it")
    wait_for(lambda: not at_work(running), seconds=GIVE_UP_SECONDS, what="it")
    runs = running.instance.get_runs_count() - before
    print(f"{BURST:,} exports at once: {runs} runs, {time.time() - landed:.1f} s; {load()}\n")


def idle(running: Driven) -> None:
    """What a minute costs in which nothing lands."""
    before = cpu_seconds(running.running.process_group)
    time.sleep(IDLE_SECONDS)
    after = cpu_seconds(running.running.process_group)
    total = sum(after[name] - before.get(name, 0.0) for name in after) / IDLE_SECONDS
    print(f"idle: {total:.1%} of a core; {load()}")
    for name, seconds in sorted(after.items()):
        print(f"  {name:28}{(seconds - before.get(name, 0.0)) / IDLE_SECONDS:6.1%}")
    print()


def shared(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    speakers = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": speakers[turn["role"]], "value": turn["content"]} for turn in turns]


def bronze_rows(running: Driven) -> int:
    """Of the burst's days, by the manifests."""
    found = 0
    for source in ("messages", "sharegpt"):
        for day in BURST_DAYS:
            path = running.roots.data / "bronze" / source / f"dt={day}" / "_manifest.json"
            found += Manifest.read(path).rows if path.exists() else 0
    return found


def at_work(running: Driven) -> int:
    statuses = [status for status in DagsterRunStatus if status not in FINISHED_STATUSES]
    return running.instance.get_runs_count(RunsFilter(statuses=statuses))


def cpu_seconds(pid: int) -> dict[str, float]:
    """By what each process of the instance is."""
    found: dict[str, float] = {}
    for each in [pid, *descendants(pid)]:
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
            used = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            name = " ".join(word.decode() for word in words[2:5] if word and not word.startswith(b"/"))
            found[name] = found.get(name, 0.0) + (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
    return found


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


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


def one_export(running: Driven, rows: list[str], number: int) -> Measured:
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
    wait_for(lambda: gold_manifests(running) != before, seconds=GIVE_UP_SECONDS, what="it")
    named = time.time()
    record = wait_for(lambda: finished_run(running, landed), seconds=GIVE_UP_SECONDS, what="it")
    return Measured(named - landed, parts_of(running, record, landed))


def gold_manifests(running: Driven) -> dict[str, int]:
    found = (running.roots.data / "gold" / RECIPE).rglob("_manifest.json")
    return {str(path): path.stat().st_mtime_ns for path in found}


def finished_run(running: Driven, since: float) -> RunRecord | None:
    records = running.instance.get_run_records(RunsFilter(tags={"medallion/source": SOURCE}), limit=1)
    done = [r for r in records if r.dagster_run.is_finished and r.create_timestamp.timestamp() > since]
    if done and done[0].dagster_run.status is not DagsterRunStatus.SUCCESS:
        raise RuntimeError(f"run {done[0].dagster_run.run_id} failed")
    return done[0] if done else None


def parts_of(running: Driven, record: RunRecord, landed: float) -> dict[str, float]:
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
    return not step_key.startswith(LAYERS) or step_key.endswith("_checks")
