"""Laws of the soak itself, without an instance: its plan is a plan, and its verdicts notice what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.storage.store import MissingPartition
from medallion_assets_tests.instance import Instance, instance_of
from medallion_assets_tests.pipeline.sample import Site, alpaca
from medallion_assets_tests.soak import verdicts
from medallion_assets_tests.soak.deliveries import Export, plan
from medallion_assets_tests.soak.ground import Ground
from medallion_assets_tests.soak.memory import quarters
from medallion_assets_tests.soak.pipeline import CONFIG, DAYS
from medallion_assets_tests.soak.receiver import Receiver
from medallion_assets_tests.soak.verdicts import VERDICTS, Soaked

Verdict = Callable[[Soaked], Iterator[str]]
NOWHERE = Instance("http://127.0.0.1:9", Path(os.devnull), 0, Path(os.devnull))


@pytest.mark.parametrize("exports", [1, 40])
def test_a_plan_lands_so_many_different_exports_the_same_each_time(exports: int) -> None:
    landed = [step.landed.sha256 for step in plan(exports, seed=7) if step.landed]
    assert len(set(landed)) == len(landed) >= exports
    assert landed == [step.landed.sha256 for step in plan(exports, seed=7) if step.landed]


def test_every_half_written_file_is_completed_after_it_was_begun() -> None:
    kinds = [step.kind for step in plan(200, seed=1)]
    assert kinds.count("half-written") == kinds.count("completed") > 0
    for place in range(len(kinds)):
        assert kinds[:place].count("completed") <= kinds[:place].count("half-written")


def test_memory_is_told_by_quarters() -> None:
    assert quarters([1.0, 3.0, 5.0, 5.0, 7.0, 9.0, 2.0]) == [2.0, 5.0, 8.0, 2.0]
    assert quarters([]) == []


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soaked]:
    """A quiet one: two exports, taken through to gold by one run."""
    folder = tmp_path_factory.mktemp("soak")
    site = Site(folder, CONFIG)
    exports = tuple(_landed(site, name, count) for name, count in (("a", 4), ("b", 3)))
    with _history(folder) as history:
        site.run(DAYS[0], DAYS[1], instance=history)
        ground = Ground(site.roots, site.stages, folder / "fault", NOWHERE)
        yield Soaked(exports, ground, history, {"daemon": [100.0] * 8}, Receiver(), folder / "again")


def _history(folder: Path) -> dg.DagsterInstance:
    return instance_of(folder / "home")


def _landed(site: Site, name: str, count: int) -> Export:
    path = site.land(
        f"alpaca/{DAYS[0]}/{name}.jsonl", [alpaca(f"{name} {n}", f"is {n}") for n in range(count)]
    )
    return Export("alpaca", f"{DAYS[0]}/{name}.jsonl", path.read_bytes(), count)


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.__name__)
def test_all_holds_where_nothing_went_wrong(soaked: Soaked, verdict: Verdict, tmp_path: Path) -> None:
    assert list(verdict(replace(soaked, scratch=tmp_path / "again"))) == []


def test_an_export_that_is_not_there_is_noticed(soaked: Soaked) -> None:
    other = Export("chats", "c.jsonl", b"{}\n", 1)
    found = list(verdicts.every_export_is_there_once(replace(soaked, exports=(*soaked.exports, other))))
    assert found == [
        f"chats: export {other.sha256[:12]} is in {where} 0 times, not 1 times"
        for where in ("bronze", "the ledger")
    ]


def test_an_export_that_should_not_be_there_is_noticed(soaked: Soaked) -> None:
    assert len(list(verdicts.every_export_is_there_once(replace(soaked, exports=soaked.exports[:1])))) == 2


def test_a_lost_record_is_noticed(soaked: Soaked) -> None:
    first = replace(soaked.exports[0], rows=5)
    [found] = verdicts.every_record_went_on_or_was_rejected(replace(soaked, exports=(first,)))
    assert "bronze holds 4 records of 5" in found


def test_an_event_of_other_bytes_is_noticed(soaked: Soaked, tmp_path: Path) -> None:
    with _history(tmp_path) as history:
        event = dg.AssetMaterialization(
            ["bronze", "alpaca"], partition=DAYS[0], metadata={"content_hash": "other"}
        )
        history.report_runless_asset_event(event)
        found = list(verdicts.the_event_log_names_what_the_store_holds(replace(soaked, history=history)))
    assert f"bronze/alpaca {DAYS[1]} is only in the store" in found
    assert [each for each in found if "the event log names other" in each]


def test_a_partition_left_stale_is_noticed(soaked: Soaked, tmp_path: Path) -> None:
    site = Site(tmp_path, CONFIG)
    site.land(f"alpaca/{DAYS[0]}/late.jsonl", [alpaca("late", "too")])
    with dg.DagsterInstance.ephemeral() as instance:
        site.run(DAYS[0], instance=instance, select="group:bronze")
    ground = Ground(site.roots, site.stages, tmp_path / "fault", NOWHERE)
    [found, *_] = verdicts.nothing_is_stale(replace(soaked, ground=ground))
    assert found == f"silver/alpaca_conformed {DAYS[0]} is not what it would be if it were built now"


def test_memory_that_grows_is_noticed(soaked: Soaked) -> None:
    grown = replace(soaked, memory={"daemon": [100.0, 100.0, 150.0, 200.0]})
    assert list(verdicts.memory_is_bounded(grown)) == [
        "the daemon grew from quarter to quarter, in MiB: 100-150 150-200"
    ]


def test_a_run_that_failed_by_itself_is_noticed(soaked: Soaked, tmp_path: Path) -> None:
    site = Site(tmp_path, CONFIG)
    with _history(tmp_path) as history:
        with pytest.raises(MissingPartition):
            site.run(DAYS[0], instance=history, select='key:"silver/alpaca_conformed"')
        [found] = verdicts.only_the_planted_fault_failed_runs(replace(soaked, history=history))
    assert f"bronze/alpaca has no partition {DAYS[0]}" in found


def _alert(key: str, news: str = "failed") -> dict[str, str]:
    return {
        "news": news,
        "kind": key.partition(":")[0],
        "key": key,
        "reason": "it broke",
        "partitions": DAYS[0],
    }


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([], ["nobody was told of check:bronze/alpaca:readable_exports"]),
        ([["check:bronze/alpaca:readable_exports"]], []),
        (
            [["check:bronze/alpaca:readable_exports", "run:ingest_chats:"]],
            ["run:ingest_chats was told of, and did not fail"],
        ),
    ],
)
def test_alerts_that_are_missing_or_made_up_are_noticed(
    soaked: Soaked, tmp_path: Path, messages: list[list[str]], found: list[str]
) -> None:
    taken = [{"id": str(n), "alerts": list(map(_alert, keys))} for n, keys in enumerate(messages)]
    with _history(tmp_path) as history:
        failed = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["bronze", "alpaca"]),
            check_name="readable_exports",
            passed=False,
            metadata={},
        )
        history.report_runless_asset_event(failed)
        told = replace(soaked, history=history, receiver=Receiver(messages=taken))
        assert list(verdicts.every_alert_arrived_once(told)) == found


def test_an_alert_told_again_without_a_recovery_is_noticed() -> None:
    key = "check:a:b"
    twice = Receiver(messages=[{"alerts": [_alert(key)]}, {"alerts": [_alert(key)]}])
    between = Receiver(
        messages=[{"alerts": [_alert(key, news)]} for news in ("failed", "recovered", "failed")]
    )
    assert (len(list(verdicts.repeated(twice))), list(verdicts.repeated(between))) == (1, [])
