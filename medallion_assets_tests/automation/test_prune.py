"""Pruning: the history shrinks, and nothing that the UI shows of partitions and checks changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from medallion_assets.automation.prune import Retention, prune_schedule, pruned

DAYS = dg.DailyPartitionsDefinition("2024-09-01")
KEYS = [f"2024-09-0{day}" for day in range(1, 4)]
TABLE, DOWN = dg.AssetKey(["bronze", "alpaca"]), dg.AssetKey(["silver", "sft_pairs"])
SOON = datetime.now(UTC) + timedelta(days=40)
NOTHING_KEPT = Retention(days=30, runs_per_job=0)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On SQLite in a folder, a file a run, as users have it."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@dataclass
class World:
    """Two assets and a check, which do as they are told."""

    instance: dg.DagsterInstance
    broken: bool = False
    fails: bool = False

    @property
    def defs(self) -> dg.Definitions:
        @dg.asset(key=TABLE, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
        def alpaca() -> None:
            print("written to the run's output")

        @dg.asset(key=DOWN, partitions_def=DAYS, deps=[TABLE], backfill_policy=dg.BackfillPolicy.single_run())
        def pairs() -> None:
            if self.broken:
                raise OSError("gone")

        @dg.asset_check(asset=TABLE)
        def sound() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=not self.fails, metadata={"n": 1})

        return dg.Definitions(assets=[alpaca, pairs], asset_checks=[sound])

    def run(self, first: str, last: str | None = None) -> str:
        ends = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last or first,
        }
        tags = ends if last else {"dagster/partition": first}
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(tags=tags, instance=self.instance, raise_on_error=False).run_id

    def late(self, *, passed: bool) -> None:
        found = dg.AssetCheckEvaluation(asset_key=TABLE, check_name="freshness", passed=passed, metadata={})
        self.instance.report_runless_asset_event(found)

    def shown(self) -> dict[str, Any]:
        """What the UI shows: each partition's status and last materialization, each check's verdict."""
        storage, shown = self.instance.event_log_storage, {}
        for key in (TABLE, DOWN):
            storage.wipe_asset_cached_status(key)
            status = get_and_update_asset_status_cache_value(self.instance, key, DAYS)
            assert status is not None
            latest = storage.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            shown[key.to_user_string()] = (
                sorted(status.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()),
                sorted(status.deserialize_failed_partition_subsets(DAYS).get_partition_keys()),
                dict(latest),
                self.instance.get_latest_materialization_event(key),
            )
        for name in ("sound", "freshness"):
            check = dg.AssetCheckKey(TABLE, name)
            (found,) = storage.get_latest_asset_check_execution_by_key([check]).values()
            assert found.event is not None
            shown[name] = (found.status, found.run_id, found.event)
        return shown


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def history(world: World) -> list[str]:
    """Days made again and again, one by one and as a range; a failure in between and one that stays."""
    runs = [world.run(KEYS[0], KEYS[2]), world.run(KEYS[0]), world.run(KEYS[0]), world.run(KEYS[2])]
    world.broken = True
    runs += [world.run(KEYS[1]), world.run(KEYS[2])]
    world.broken, world.fails = False, True
    runs.append(world.run(KEYS[1]))
    for passed in (True, False, True, False):
        world.late(passed=passed)
    return runs


def test_what_the_ui_shows_stays_and_the_history_shrinks(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    world = World(instance)
    runs = history(world)
    before, bytes_before = world.shown(), size(tmp_path)
    assert before[DOWN.to_user_string()][:2] == (KEYS, [KEYS[2]])
    pruned(instance, NOTHING_KEPT, now=SOON)
    assert world.shown() == before
    left = {run.run_id for run in instance.get_runs()}
    # The last of each day, and those that last failed or judged something.
    assert left == {runs[2], runs[3], runs[5], runs[6]}
    assert size(tmp_path) < 0.8 * bytes_before
    assert {path.name for path in (tmp_path / "history" / "runs").glob("*.db")} == {
        *(f"{run_id}.db" for run_id in left),
        ".db",
        "index.db",
    }
    assert {path.name for path in (tmp_path / "storage").iterdir()} == left
    history_of = instance.event_log_storage.get_asset_check_execution_history
    assert len(history_of(dg.AssetCheckKey(TABLE, "sound"), limit=100)) == 1
    assert [line.split()[1] for line in pruned(instance, NOTHING_KEPT, now=SOON)] == ["0", "0", "0"]
    assert world.shown() == before


def test_what_is_young_and_the_last_of_each_job_stay() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(instance)
        runs = [world.run(KEYS[0]) for _ in range(4)]
        pruned(instance, Retention(days=60, runs_per_job=0), now=SOON)
        assert len(instance.get_runs()) == 4
        pruned(instance, Retention(days=30, runs_per_job=2), now=SOON)
        assert [run.run_id for run in instance.get_runs()] == runs[:1:-1]


def test_verdicts_without_a_run_keep_the_last_alone(instance: dg.DagsterInstance) -> None:
    world = World(instance)
    for _ in range(5):
        world.late(passed=False)
    pruned(instance, NOTHING_KEPT, now=SOON)
    check = dg.AssetCheckKey(TABLE, "freshness")
    assert len(instance.event_log_storage.get_asset_check_execution_history(check, limit=10)) == 1


def test_a_file_that_a_crash_left_goes_the_next_night(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    world = World(instance)
    runs = [world.run(KEYS[0]) for _ in range(2)]
    instance.delete_run(runs[0])
    pruned(instance, NOTHING_KEPT, now=SOON)
    assert not (tmp_path / "history" / "runs" / f"{runs[0]}.db").exists()


def test_the_job_runs_with_its_defaults(instance: dg.DagsterInstance) -> None:
    defs = dg.Definitions(schedules=[prune_schedule()])
    assert defs.resolve_job_def("prune_history").execute_in_process(instance=instance).success
