"""What was committed by a run that died before it told of it is told by the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.automation.untold import untold
from medallion_assets.fanout import partitions
from medallion_assets.storage.store import PartitionStore, Table, Written
from medallion_assets_tests.agreement import disagreements
from medallion_assets_tests.pipeline.sample import Site, alpaca

DAY, NEXT = "2024-09-01", "2024-09-02"
LAST = "profile"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Runs that commit the table that comes last, and tell nobody."""
    write = partitions.write

    def written(store: PartitionStore, table: Table, key: str, made: partitions.Made) -> Written:
        found = write(store, table, key, made)
        if table.name == LAST:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(partitions, "write", written)
    return monkeypatch


def test_the_date_of_a_batch_that_told_nobody_is_taken_again(
    site: Site, instance: dg.DagsterInstance, dying: pytest.MonkeyPatch
) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    execute(site, instance)
    assert list(disagreements(site.stages, site.store, instance)) == [
        f"silver/{LAST} {DAY} is only in the store"
    ]
    dying.undo()
    execute(site, instance)
    assert list(disagreements(site.stages, site.store, instance)) == []
    assert requests(site, instance) == []


def requests(site: Site, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(instance=instance, definitions=site.defs)
    result = site.defs.get_sensor_def("alpaca_landing")(context)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or ())


def execute(site: Site, instance: dg.DagsterInstance) -> None:
    (request,) = requests(site, instance)
    site.defs.resolve_job_def("ingest_alpaca").execute_in_process(
        partition_key=request.partition_key, tags=dict(request.tags), instance=instance, raise_on_error=False
    )


def test_a_run_that_is_tried_again_tells_of_what_the_first_one_settled(
    site: Site, instance: dg.DagsterInstance
) -> None:
    for day in (DAY, NEXT):
        site.land(f"alpaca/{day}/a.jsonl", [alpaca(f"ask {day}", "answer")])
    assert site.run(DAY, NEXT, instance=instance).success
    site.land(f"alpaca/{DAY}/late.jsonl", [alpaca(f"ask {NEXT}", "answer"), alpaca("new", "one")])
    site.build_day(DAY)  # and settles the next day, which Dagster is not told of
    silver = site.stages.units["sft_pairs"]
    assert untold(instance, silver, site.store, [DAY, NEXT]) == {DAY, NEXT}
    first = site.run(DAY, instance=instance)
    assert untold(instance, silver, site.store, [DAY, NEXT]) == {NEXT}
    job = site.defs.resolve_implicit_global_asset_job_def()
    tags = {
        "dagster/partition": DAY,
        "dagster/parent_run_id": first.run_id,
        "dagster/root_run_id": first.run_id,
    }
    assert job.execute_in_process(tags=tags, instance=instance).success
    assert list(disagreements(site.stages, site.store, instance)) == []
