"""What long steps say of themselves, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from medallion_assets import progress
from medallion_assets.progress import SECONDS_BETWEEN, Progress, heard_by
from medallion_assets.schemas import Column, TableSchema
from medallion_assets.storage.parts import PartWriter, read_batches


@dataclass
class Step:
    """A step that hears itself; its time passes when it is told to."""

    partitions: int = 3
    now: float = 0.0
    said: list[str] = field(default_factory=list)

    def progress(self) -> Progress:
        return Progress("silver/x", self.partitions, self.said.append, clock=lambda: self.now)


def test_a_quick_step_says_nothing() -> None:
    step = Step()
    with heard_by(step.progress()) as heard:
        for key in "abc":
            heard.start(key)
            progress.advance(1000)
            heard.finish()
    assert step.said == []


def test_a_long_partition_tells_rows_rate_and_what_is_left() -> None:
    step = Step()
    with heard_by(step.progress()) as heard:
        heard.start("2024-09-01")
        progress.reading(100_000)
        for _ in range(4):
            step.now += SECONDS_BETWEEN / 2
            progress.advance(10_000)
    assert step.said == [
        "silver/x 2024-09-01: at row 20,000 of 100,000, 2,000 rows a second; 0 of 3 partitions done",
        "silver/x 2024-09-01: at row 40,000 of 100,000, 2,000 rows a second; 0 of 3 partitions done",
    ]


def test_many_short_partitions_are_counted() -> None:
    step = Step(partitions=365)
    heard = step.progress()
    for number in range(365):
        heard.start(str(number))
        heard.advance(10)
        step.now += 0.125
        heard.finish()
    assert step.said == [
        f"silver/x: {done} of 365 partitions done, 80 rows a second" for done in range(80, 365, 80)
    ]


def test_what_workers_are_at_is_told() -> None:
    step = Step()
    heard = step.progress()
    heard.advance(100)
    step.now += SECONDS_BETWEEN
    heard.at_work(["silver/x b", "silver/x c"])
    assert step.said == [
        "silver/x: 0 of 3 partitions done, 10 rows a second; at work: silver/x b, silver/x c",
    ]


def test_it_speaks_at_most_every_ten_seconds() -> None:
    step = Step()
    with heard_by(step.progress()):
        for _ in range(1_000):
            step.now += 0.125
            progress.advance(1)
    assert len(step.said) == 125 // SECONDS_BETWEEN


def test_without_a_listener_nothing_happens() -> None:
    step = Step()
    heard = step.progress()
    with heard_by(heard):
        pass
    step.now += 100
    progress.reading(1)
    progress.advance(1)
    assert step.said == []


def test_reading_parts_is_heard(tmp_path: Path) -> None:
    numbers = TableSchema("numbers", 1, (Column("n", pa.int64(), ""),))
    writer = PartWriter(tmp_path, numbers, label="part-00000")
    writer.write(pa.table({"n": range(5000)}))
    part = writer.finish()
    step = Step(partitions=1)
    with heard_by(step.progress()) as heard:
        heard.start("k")
        for batch in read_batches([tmp_path / part.name]):
            assert batch.num_rows
            step.now += SECONDS_BETWEEN
    assert step.said[0] == "silver/x k: at row 2,048 of 5,000, 205 rows a second; 0 of 1 partitions done"
