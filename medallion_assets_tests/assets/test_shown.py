"""Through Dagster: what partitions show, in how much room, and that it is always the same."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._serdes import serialize_value

from medallion_assets_tests.pipeline.sample import Site, alpaca, land_three_days

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
HOSTILE = "<img src=x onerror=alert(1)> ![x](http://x.invalid/p.png) [c](javascript:alert(1))"
# Of one partition, its plots and tables included; the newest of a run has the samples too.
MAX_EVENT_BYTES, MAX_NEWEST_BYTES = 6_000, 14_000
Shown = Mapping[str, dg.MetadataValue]


def shown(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], Shown]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {(event.asset_key.to_user_string(), event.partition or ""): event.metadata for event in events}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("shown"))
    land_three_days(site)
    site.land("alpaca/2024-09-03/hostile.jsonl", [alpaca(HOSTILE, HOSTILE), HOSTILE])
    return site


@pytest.fixture(scope="module")
def range_run(site: Site) -> dict[tuple[str, str], Shown]:
    with dg.DagsterInstance.ephemeral() as instance:
        return shown(site.run(DAYS[0], DAYS[-1], instance=instance))


def test_the_newest_partition_of_a_run_alone_shows_rows(range_run: dict[tuple[str, str], Shown]) -> None:
    sampled = defaultdict(set)
    for (asset, day), metadata in range_run.items():
        sampled[asset] |= (
            {day} if metadata.keys() & {"sample", "rejected_examples", "dagster/row_count"} else set()
        )
    assert {asset: days for asset, days in sampled.items() if days != {DAYS[-1]}} == {}


def test_a_run_again_shows_the_same(site: Site, range_run: dict[tuple[str, str], Shown]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        again = shown(site.run(DAYS[-1], instance=instance))
    newest = {place: metadata for place, metadata in range_run.items() if place[1] == DAYS[-1]}
    told = [
        {
            place: {name: value for name, value in each.items() if name != "changed"}
            for place, each in run.items()
        }
        for run in (newest, again)
    ]
    assert told[0] == told[1]


def test_events_stay_small(range_run: dict[tuple[str, str], Shown]) -> None:
    sizes = {place: sum(map(len, map(serialize_value, each.values()))) for place, each in range_run.items()}
    most = {place: MAX_NEWEST_BYTES if place[1] == DAYS[-1] else MAX_EVENT_BYTES for place in sizes}
    assert {place: size for place, size in sizes.items() if size > most[place]} == {}


def test_texts_of_records_are_shown_in_tables_alone(range_run: dict[tuple[str, str], Shown]) -> None:
    kinds = {
        type(value).__name__
        for metadata in range_run.values()
        for value in metadata.values()
        if "onerror" in json.dumps(serialize_value(value))
    }
    assert kinds == {"TableMetadataValue"}


def test_a_table_is_as_large_as_its_partitions_together(range_run: dict[tuple[str, str], Shown]) -> None:
    wrong: dict[str, Any] = {}
    for asset in {asset for asset, _ in range_run}:
        days = [range_run[asset, day] for day in DAYS]
        rows = sum(int(str(day["dagster/partition_row_count"].value)) for day in days)
        if days[-1]["dagster/row_count"].value != rows:
            wrong[asset] = rows
    assert wrong == {}


def test_a_plot_is_shown_where_there_is_something_to_draw(range_run: dict[tuple[str, str], Shown]) -> None:
    def plots(asset: str, day: str) -> list[str]:
        shown = range_run[asset, day]
        return [name for name, value in shown.items() if isinstance(value, dg.MarkdownMetadataValue)]

    assert plots("silver/alpaca_conformed", DAYS[0]) == ["funnel"]
    assert plots("silver/sft_pairs", DAYS[-1]) == ["by_source", "funnel", "duplicates_by_source"]
    assert plots("gold/packed", DAYS[0]) == ["token_lengths", "bin_fill"]
    assert plots("gold/packed", DAYS[-1]) == ["funnel"]
    assert plots("bronze/alpaca", DAYS[0]) == []


def test_exports_are_named_in_a_table(
    range_run: dict[tuple[str, str], Shown],
) -> None:
    metadata = range_run["bronze/alpaca", DAYS[0]]
    table = metadata["export_files"]
    assert isinstance(table, dg.TableMetadataValue)
    assert (metadata["exports"].value, [record.data["file"] for record in table.records]) == (
        2,
        ["2024-09-01/a.jsonl", "2024-09-01/b.jsonl"],
    )
