"""What must hold after the soak, each looked at independently of the code that is judged.

Belongs here: verdicts, and what they look at. Does not: making things happen (__main__.py).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import msgspec

from medallion_assets.config.file import check
from medallion_assets.release import replay
from medallion_assets.roots import Roots
from medallion_assets.stages import stages_of
from medallion_assets.storage.store import PartitionStore
from medallion_assets.streaming.positions import LoggedStep, read_log
from medallion_assets.streaming.status import Status, statuses
from medallion_assets_tests.streaming.given import MAX_LAG, configuration
from medallion_assets_tests.streaming.soak.sent import is_right, parsed, version_of
from medallion_assets_tests.streaming.soak.trainer import CONSUMER, DIARY, ROWS, Entry, digest, entries

MEDIAN_SECONDS, P99_SECONDS = 2.0, 10.0
MOST_MIB = 600.0


@dataclass
class Soaked:
    """What is left of a soak. `memory` has the consumer's resident MiB over time."""

    folder: Path
    count: int
    memory: list[float]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @cached_property
    def diary(self) -> list[Entry]:
        return entries(self.folder / DIARY)

    @cached_property
    def log(self) -> list[LoggedStep]:
        return list(read_log(self.data / "streams/live/consumers" / CONSUMER / "log.jsonl"))

    @cached_property
    def numbers(self) -> list[list[int]]:
        """Of each logged step, the rollouts served, as they are made again from what landed."""
        return [[parsed(uid)[0] for uid in step.rows["source_id"].to_pylist()] for step in self.again]

    @cached_property
    def again(self) -> list[object]:
        return list(replay(self.data / "streams/live", consumer=CONSUMER))

    @cached_property
    def status(self) -> Status:
        [status] = statuses(self.data / "streams/live/members")
        return status

    @cached_property
    def bronze(self) -> Counter[int]:
        """How often each rollout is in bronze, after bronze has taken what landed."""
        roots = Roots(self.data, self.folder / "landing")
        source = stages_of(check(configuration()), roots, base=self.folder).sources[0]
        store, table = PartitionStore(roots.data), source.bronze.table
        inventory = source.bronze.inventory(store, wait=True)
        found: Counter[int] = Counter()
        for day in inventory.by_date():
            key = date.isoformat(day)
            store.append(table, key, source.bronze.builds(store, [key], inventory)[key])
            for batch in store.batches(table, key, columns=["raw"]):
                lines = (msgspec.json.decode(raw) for raw in batch.column("raw").to_pylist())
                found.update(parsed(line["message"]["id"])[0] for line in lines)
        return found

    @cached_property
    def latencies(self) -> list[float]:
        """From the broker to the trainer, of what it was given for the first time."""
        return sorted(entry.at - sent for entry in self.diary if not entry.is_again for sent in entry.sent)


def once_in_bronze(soaked: Soaked) -> str:
    expected = Counter(range(soaked.count))
    lost, again = expected - soaked.bronze, soaked.bronze - expected
    return f"{len(lost)} lost, {sum(again.values())} too often" if lost or again else ""


def served_once(soaked: Soaked) -> str:
    counts = Counter(number for step in soaked.numbers for number in step)
    twice = [number for number, count in counts.items() if count > 1]
    return f"{len(twice)} served twice, as {twice[:3]}" if twice else ""


def within_the_lag(soaked: Soaked) -> str:
    """By what was served before, and by what the log says was known then."""
    highest, worst = 0, 0
    for step, numbers in zip(soaked.log, soaked.numbers, strict=True):
        known = max(highest, step.newest["soak"])
        worst = max(worst, *(known - version_of(number) for number in numbers))
        highest = max(highest, *(version_of(number) for number in numbers))
    return f"{worst} versions behind, {MAX_LAG} allowed" if worst > MAX_LAG else ""


def all_accounted_for(soaked: Soaked) -> str:
    """What was not served was dropped for a reason that was counted, or waits for a step to be full."""
    served = sum(map(len, soaked.numbers))
    skipped: Counter[str] = Counter()
    for step in soaked.log:
        skipped.update(step.skipped)
    stale = soaked.status.dropped.get("stale_policy", 0) + skipped["stale_policy"]
    unserved = soaked.count - served
    full = soaked.status.dropped.get("buffer_full", 0)
    return (
        f"{unserved} were not served; {stale} stale, {full} dropped" if unserved > stale + full + ROWS else ""
    )


def rewards_are_right(soaked: Soaked) -> str:
    wrong = sum(
        (reward == 1.0) != is_right(number)
        for step, numbers in zip(soaked.again, soaked.numbers, strict=True)
        for reward, number in zip(step.rows["reward"].to_pylist(), numbers, strict=True)  # type: ignore[attr-defined]
    )
    return f"{wrong} rewards are wrong" if wrong else ""


def replayed_to_the_byte(soaked: Soaked) -> str:
    """Every time that a step was given, to the trainer that first had it and to those that resumed."""
    again = {step.number: digest(step.rows) for step in soaked.again}  # type: ignore[attr-defined]
    other = [entry.step for entry in soaked.diary if again.get(entry.step) != entry.digest]
    return f"steps {other[:5]} came out otherwise" if other else ""


def soon_at_the_trainer(soaked: Soaked) -> str:
    median, p99 = quantiles(soaked.latencies)
    return (
        "" if median <= MEDIAN_SECONDS and p99 <= P99_SECONDS else f"median {median:.2f} s, p99 {p99:.2f} s"
    )


def memory_is_flat(soaked: Soaked) -> str:
    peak = max(soaked.memory)
    return f"{peak:.0f} MiB at most" if peak > MOST_MIB else ""


def quantiles(latencies: list[float]) -> tuple[float, float]:
    return statistics.median(latencies), latencies[int(0.99 * (len(latencies) - 1))]


VERDICTS: Mapping[str, Callable[[Soaked], str]] = {
    "every rollout is in bronze once": once_in_bronze,
    "no rollout was served twice": served_once,
    "what was served was within the policy lag": within_the_lag,
    "what was not served is accounted for": all_accounted_for,
    "rewards were verified": rewards_are_right,
    "steps are replayed to the byte": replayed_to_the_byte,
    f"median <= {MEDIAN_SECONDS:.0f} s, p99 <= {P99_SECONDS:.0f} s": soon_at_the_trainer,
    f"the consumer stays below {MOST_MIB:.0f} MiB": memory_is_flat,
}
