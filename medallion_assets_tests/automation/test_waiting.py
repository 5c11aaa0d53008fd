"""What automation does not build: what is changing, at work, refused by a check, or begun too often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.automation.settle import MAX_ATTEMPTS
from medallion_assets.storage.attempts import counted_overwrite
from medallion_assets_tests.automation.settling_sample import (
    DAYS,
    RECIPE,
    Automation,
    build,
    configured,
    copy_of,
    land,
    outdated,
    taken,
)
from medallion_assets_tests.pipeline.sample import Site, alpaca

OTHER_RECIPE: dict[str, Any] = {"recipes": [RECIPE | {"max_length": 64}]}
AT_NIGHT = {"settle": {"after": "5m", "changed_rules": "at_night"}}
CONFORMED = dg.AssetKey(["silver", "alpaca_conformed"])
UNIT, GOLD = "silver/sft_pairs", "gold/packed"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settled")
    site = Site(folder, configured())
    land(site)
    build(site)
    return folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One that schedules can refer to."""
    with dg.instance_for_test() as instance:
        yield instance


def late(site: Site, day: str) -> None:
    """Lands something, which a run takes as far as the source's silver table."""
    site.land(f"alpaca/{day}/late.jsonl", [alpaca("late", day)])
    taken(site)


def conform(site: Site, day: str) -> None:
    [stage, *_] = (source.conformed for source in site.stages.sources)
    site.store.overwrite(stage.table, day, stage.build(site.store, day))


def fails(instance: dg.DagsterInstance, *days: str, passed: bool = False, **metadata: Any) -> None:
    """A conservation check of the source's silver table, of the first two days."""
    told = metadata or {"partitions": list(DAYS[:2]), "failed_partitions": list(days)}
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=CONFORMED,
            check_name="conservation",
            passed=passed,
            metadata={name: dg.MetadataValue.json(value) for name, value in told.items()},
            blocking=True,
        )
    )


def tonight(site: Site, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2024, 9, 11, 2, tzinfo=UTC),
        repository_def=site.defs.get_repository_def(),
    )
    return list(site.defs.get_schedule_def("nightly").evaluate_tick(context).run_requests or ())


def test_what_is_still_changing_is_left_alone(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path)
    automation = Automation(site, instance)
    for day in DAYS:
        late(site, day)
        assert automation.tick() == {}
    assert automation.tick() != {}


def test_changed_rules_wait_for_the_night_unless_told_otherwise(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path, **OTHER_RECIPE, **AT_NIGHT)
    assert Automation(site, instance).settle() == []
    [request] = tonight(site, instance)
    assert request.asset_selection == [dg.AssetKey(["gold", "packed"])]
    night = Automation(site, instance)
    assert night.run(request.partition_key or "", [GOLD], **request.tags).success
    assert outdated(site) == {}
    assert tonight(site, instance) == []


def test_late_data_is_settled_by_day_and_takes_no_changed_rules_along(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path, quality={"min_answer_characters": 9}, **AT_NIGHT)
    late(site, DAYS[1])
    conform(site, DAYS[1])
    automation = Automation(site, instance)
    [asked] = automation.settle()
    assert {table for tables in asked.values() for table in tables} == {
        "silver/sft_pairs_contamination",
        UNIT,
        GOLD,
        "silver/profile",
    }
    assert set(outdated(site)["silver/alpaca_conformed"]) == {DAYS[0], DAYS[2]}


def test_what_a_run_is_at_work_on_is_left_to_it(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path)
    late(site, DAYS[1])
    automation = Automation(site, instance)
    automation.tick()
    job = site.defs.resolve_job_def("ingest_chats")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert automation.tick() == {DAYS[1]: ["silver/alpaca_conformed"]}
    job = site.defs.resolve_job_def("ingest_alpaca")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert automation.tick() == {}
    assert len(tonight(site, instance)) == 1
    instance.report_run_failed(run)
    assert automation.tick() != {}


def test_a_failed_blocking_check_holds_back_what_reads_the_partition_until_it_passes(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The unit's day reads all source days up to it; what the night starts obeys as well."""
    site = copy_of(settled, tmp_path)
    for day in DAYS:
        late(site, day)
        conform(site, day)
    fails(instance, DAYS[1])
    automation = Automation(site, instance)
    [asked] = automation.settle()
    assert list(asked) == [DAYS[0]]
    assert dict.fromkeys(outdated(site)[UNIT], "held") == dict.fromkeys(DAYS[1:], "held")
    assert automation.tick() == {} == {request.partition_key: 0 for request in tonight(site, instance)}
    fails(instance, passed=True)
    assert len(automation.settle()) == 1
    assert outdated(site) == {}


def test_a_landing_settles_later_days_but_those_held_back_and_checks_all_that_it_built(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path)
    late(site, DAYS[2])
    conform(site, DAYS[2])
    late(site, DAYS[0])
    ingest = site.defs.resolve_job_def("ingest_alpaca")
    result = ingest.execute_in_process(partition_key=DAYS[0], instance=instance)
    checked = {
        each.asset_key.to_user_string(): each.metadata["partitions"].value
        for each in result.get_asset_check_evaluations()
        if each.check_name == "conservation"
    }
    assert (checked[UNIT], outdated(site)) == (list(DAYS), {})
    fails(instance, DAYS[1])
    late(site, DAYS[0])
    site.land(f"alpaca/{DAYS[0]}/later.jsonl", [alpaca("later", "answer")])
    assert ingest.execute_in_process(partition_key=DAYS[0], instance=instance).success
    assert set(outdated(site)[UNIT]) == {DAYS[1], DAYS[2]}


def test_a_failure_that_names_no_partitions_holds_everything_back(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = copy_of(settled, tmp_path)
    late(site, DAYS[0])
    conform(site, DAYS[0])
    fails(instance, elsewhere=[])
    assert not any(
        UNIT in tables for asked in Automation(site, instance).settle() for tables in asked.values()
    )


def test_what_fails_is_begun_a_bounded_number_of_times_and_again_once_it_is_mended(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other dates are built all the same."""
    site = copy_of(settled, tmp_path, **OTHER_RECIPE)
    automation = Automation(site, instance)
    automation.tick()
    with monkeypatch.context() as patch:
        patch.setattr("medallion_assets.package.stage.GoldStage._write", _poisoned(DAYS[1]))
        runs = 0
        for _ in range(3 * MAX_ATTEMPTS):
            for key, tables in automation.tick().items():
                automation.run(key, tables)
                runs += 1
        assert [run.success for run in automation.runs] == [False] * MAX_ATTEMPTS + [True]
        assert set(outdated(site)[GOLD]) == {DAYS[1]}
        assert automation.settle() == []
        assert tonight(site, instance) == []
    mended = copy_of(tmp_path, tmp_path / "mended", recipes=[RECIPE | {"max_length": 65}])
    assert len(Automation(mended, instance).settle()) == 1
    assert outdated(mended) == {}


def _poisoned(day: str) -> Any:
    from medallion_assets.package.stage import GoldStage

    write = GoldStage._write

    def poisoned(stage: GoldStage, store: Any, key: str, writer: Any) -> None:
        if key == day:
            raise ValueError("this one can't be packaged")
        write(stage, store, key, writer)

    return poisoned


def test_a_person_who_materializes_it_is_not_held_to_the_bound(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = copy_of(settled, tmp_path, **OTHER_RECIPE)
    [recipe] = site.stages.recipes.values()
    with monkeypatch.context() as patch:
        patch.setattr("medallion_assets.package.stage.GoldStage._write", _poisoned(DAYS[1]))
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(ValueError, match="packaged"):
                counted_overwrite(site.store, recipe.table, DAYS[1], recipe.build(site.store, DAYS[1]))
    assert site.run(DAYS[1], instance=instance, select=GOLD).success
    assert set(outdated(site)[GOLD]) == {DAYS[0], DAYS[2]}
