"""Many exports at once, through ticks and runs without the daemon: bounded batches, nothing lost or twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets_tests.pipeline.sample import Site, alpaca, chat

DAYS = tuple(f"2024-09-0{n}" for n in range(1, 4))
BURST = 200
SOURCES = ("alpaca", "chats")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def tick(site: Site, source: str, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(instance=instance, definitions=site.defs)
    result = site.defs.get_sensor_def(f"{source}_landing")(context)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or ())


def execute(site: Site, request: dg.RunRequest, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    source = request.tags["medallion/source"]
    return site.defs.resolve_job_def(f"ingest_{source}").execute_in_process(
        partition_key=request.partition_key, tags=dict(request.tags), instance=instance, raise_on_error=False
    )


def land(site: Site, numbers: range, *, late: str = "") -> None:
    """An export a number, of one record: over days and sources, every tenth delivered under two names."""
    for number in numbers:
        day, text = DAYS[number % len(DAYS)], f"question {number}"
        site.land(f"alpaca/{day}/{late}{number}.jsonl", [alpaca(text, f"answer {number}")])
        if number % 10 == 0:
            site.land(f"alpaca/{day}/{late}{number}_again.jsonl", [alpaca(text, f"answer {number}")])
        if number % 5 == 0:
            site.land(f"chats/{day}/{late}{number}.jsonl", [chat(f"talk {number}", f"reply {number}")])


def drained(site: Site, instance: dg.DagsterInstance, *, most_rounds: int = 20) -> int:
    """Ticks and runs until every sensor is idle; how many runs that were."""
    runs = 0
    for _ in range(most_rounds):
        requests = [request for source in SOURCES for request in tick(site, source, instance)]
        if not requests:
            return runs
        for request in requests:
            execute(site, request, instance)
        runs += len(requests)
    raise AssertionError(f"not idle after {runs} runs")


def first_texts(site: Site, layer_table: str) -> Counter[str]:
    """How often each record of the table is there, by its first message, rejects by their raw text."""
    stage = next(stage for stage in site.stages.all() if stage.table.full_name == layer_table)
    rows = [
        row
        for key in site.store.keys(stage.table)
        for batch in site.store.batches(stage.table, key, ["messages"])
        for row in batch.to_pylist()
    ]
    return Counter(row["messages"][0]["content"] for row in rows)


def expected(numbers: range) -> Counter[str]:
    questions = [f"question {number}" for number in numbers]
    return Counter(questions + [f"talk {number}" for number in numbers if number % 5 == 0])


def test_a_burst_is_taken_once_in_few_runs(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medallion_assets.automation.batches.MAX_EXPORTS_A_BATCH", BURST // 2)
    land(site, range(BURST))
    asked = [tick(site, source, instance) for source in SOURCES]
    assert [len(requests) for requests in asked] == [3, 1]  # some 67 of alpaca a day, 13 of chats
    assert drained(site, instance) == 4
    assert first_texts(site, "silver/sft_pairs") == expected(range(BURST))
    for stage in site.stages.bronze():
        parts = [part.export for key in DAYS for part in site.store.manifest(stage.table, key).parts]  # type: ignore[union-attr]
        assert len(parts) == len(set(parts)) == (BURST if stage.source == "alpaca" else BURST // 5)


def test_what_lands_while_runs_are_at_work_and_fail_is_taken_once(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(site, range(24))
    requests = [request for source in SOURCES for request in tick(site, source, instance)]
    with monkeypatch.context() as patch:  # bronze and silver are written, gold is not
        patch.setattr("medallion_assets.package.units.sft_pairs.write", None)
        assert not any(execute(site, request, instance).success for request in requests)
    land(site, range(24, 36), late="late_")
    runs = drained(site, instance)
    assert runs <= len(SOURCES) * (len(DAYS) + 1)  # day by day, since they failed
    assert first_texts(site, "silver/sft_pairs") == expected(range(36))
    assert gold_texts(site) == expected(range(36))


def test_a_tick_beside_runs_at_work_asks_for_nothing_more(site: Site, instance: dg.DagsterInstance) -> None:
    land(site, range(0, 60, 2))
    requests = tick(site, "alpaca", instance)
    job = site.defs.resolve_job_def("ingest_alpaca")
    for request in requests:
        run = instance.create_run_for_job(job, tags={**request.tags}, status=dg.DagsterRunStatus.STARTED)
        assert run.tags["medallion/source"] == "alpaca"
    land(site, range(1, 61, 2))
    assert tick(site, "alpaca", instance) == []


def gold_texts(site: Site) -> Counter[str]:
    """By record id from gold back to silver: each document of each bin."""
    silver = site.stages.units["sft_pairs"].table
    by_id = {
        row["record_id"]: row["messages"][0]["content"]
        for key in site.store.keys(silver)
        for batch in site.store.batches(silver, key, ["record_id", "messages"])
        for row in batch.to_pylist()
    }
    gold = site.stages.recipes["plain"].table
    ids = [
        record_id
        for key in site.store.keys(gold)
        for batch in site.store.batches(gold, key, ["record_ids"])
        for row in batch.to_pylist()
        for record_id in row["record_ids"]
    ]
    return Counter(by_id[each] for each in ids)
