"""What a stream costs a processor: a consumer from messages to exports and buffer, a trainer from there to
its steps, against the least that could be done.

Belongs here: messages from memory, so that no broker's time is counted. Does not: latencies, which
`make stream-soak` measures with a real broker.
usage: python -m benchmarks.stream (consume|conform|bare|serve) FOLDER, as a process of its own
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.measure import Cost, run
from medallion_assets.config.file import check
from medallion_assets.conform.streamed import Position, line_of
from medallion_assets.release import load_stream
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import stages_of
from medallion_assets.streaming.brokers import Lag, Limit, Membership, Message
from medallion_assets.streaming.command import setup_of
from medallion_assets.streaming.consume import POLL_ROWS, Consumer, Setup
from medallion_assets.streaming.prepared import prepared

ROWS = 50_000
NAMES = ("prompt", "completion", "answer", "run", "step", "sample", "policy_version", "id")
CONFIG = {
    "start_date": "2024-09-01",
    "sources": [
        {
            "name": "rollouts",
            "unit": "rl_rollouts",
            "format": "mapping",
            "fields": {name: name for name in NAMES},
            "verifier": "gsm8k",
        }
    ],
    "rollouts": {"max_policy_lag": 4},
    "streams": [
        {
            "name": "live",
            "source": "rollouts",
            "broker": "redis",
            "topic": "rl",
            "buffer": {"rows": 10_000_000, "bytes": 1 << 40},
        }
    ],
}


def message(number: int) -> bytes:
    """A thousand characters of reasoning, and a number at its end."""
    row = {
        "prompt": f"Question {number}: what is {number % 97} + {number % 89}?",
        "completion": "Adding the ones, then the tens, carrying where needed. " * 18 + f"#### {number % 97}",
        "answer": str(number % 97 + number % 89),
        "run": "bench",
        "step": number // 256,
        "sample": number % 256,
        "policy_version": 1,
        "id": str(number),
    }
    return json.dumps(row).encode()


class Memory:
    """A broker that has everything at hand."""

    lost = 0

    def __init__(self, _: Membership) -> None:
        self.at = 0

    def poll(self, limit: Limit) -> list[Message]:
        numbers = range(self.at, min(self.at + limit.rows, ROWS))
        self.at += len(numbers)
        return [Message(Position(0, str(number)), message(number)) for number in numbers]

    def acknowledge(self, positions: Sequence[Position]) -> None:
        pass

    def lag(self) -> Lag:
        return Lag({0: ROWS - self.at})

    def close(self) -> None:
        pass


def setup(folder: Path) -> Setup:
    config = check(CONFIG)
    roots = Roots(folder / "data", folder / "landing")
    source = stages_of(config, roots, base=folder).sources[0]
    return setup_of(config.streams[0], source, config, roots)


def consume(folder: Path) -> None:
    made: list[Memory] = []

    def connect(membership: Membership) -> Memory:
        made.append(Memory(membership))
        return made[0]

    Consumer(setup(folder), connect, member="main", say=print).run(lambda: made[0].at >= ROWS)


def conform(folder: Path) -> None:
    """The part of it that every way to silver pays: parsing, cleaning, verifying, naming."""
    plan, broker = setup(folder).plan, Memory(Membership(check(CONFIG).streams[0], "main", lambda: None))
    while messages := broker.poll(Limit(POLL_ROWS, 1 << 30, 0.0)):
        prepared([line_of("rl", *each) for each in messages], plan)


def bare(folder: Path) -> None:
    """Poll, parse, write, sync, rename: no journal, no verification, nothing to serve."""
    setup(folder)
    broker = Memory(Membership(check(CONFIG).streams[0], "main", lambda: None))
    while messages := broker.poll(Limit(POLL_ROWS, 1 << 30, 0.0)):
        path = folder / f"{messages[0].position.offset}.jsonl"
        with path.with_suffix(".tmp").open("wb") as file:
            for each in messages:
                msgspec.json.decode(each.value)
                file.write(each.value + b"\n")
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".tmp").rename(path)


def serve(folder: Path) -> None:
    steps = load_stream(folder / "data/streams/live", consumer="bench", rows=256, patience=0)
    print(sum(step.rows.num_rows for step in steps))


PARTS = {"bare": bare, "conform": conform, "consume": consume, "serve": serve}


def nothing(folder: Path) -> None:
    """What a process costs that only begins."""
    setup(folder)


def main(scratch: Path) -> None:
    """Each part as a process; what it costs to begin is taken off."""
    start = _cost("nothing", scratch)
    size = len(message(ROWS - 1))
    print(f"a stream: {ROWS:,} rollouts of {size:,} bytes")
    for name in PARTS:
        cost = _cost(name, scratch)
        rate = ROWS / max(cost.cpu - start.cpu, 0.01)
        print(f"{name:32}{cost}   {rate:9,.0f} rows per second of a core")
    print()


def _cost(name: str, scratch: Path) -> Cost:
    command = [sys.executable, "-m", "benchmarks.stream", name, str(scratch)]
    return run(command, environment={}, folder=project_folder(), log=scratch / "log")


if __name__ == "__main__":
    started = time.process_time()
    {**PARTS, "nothing": nothing}[sys.argv[1]](Path(sys.argv[2]))
    print(f"{time.process_time() - started:.2f} s of a core")
