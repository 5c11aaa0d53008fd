"""The IO manager: what an asset may return, what an input may ask for, and what the UI is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from medallion_assets.roots import Roots
from medallion_assets.storage.io_manager import MedallionIOManager
from medallion_assets.storage.parts import SchemaMismatch
from medallion_assets.storage.store import MissingPartition
from medallion_assets_tests.pipeline.sample import Site

DAYS = dg.DailyPartitionsDefinition("2024-09-01", end_date="2024-09-04")
ROWS = pa.table({"id": [1, 2], "text": ["a", "b"]})


@pytest.fixture
def manager(tmp_path: Path) -> MedallionIOManager:
    return MedallionIOManager(Roots(tmp_path / "data", tmp_path / "landing"), {})


def materialize(assets: list[dg.AssetsDefinition], manager: MedallionIOManager, **how: Any) -> Any:
    return dg.materialize(assets, resources={"io_manager": manager}, **how)


def returning(value: Any) -> dg.AssetsDefinition:
    @dg.asset(key=["silver", "mine"], partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def mine():  # type: ignore[no-untyped-def]
        return value

    return mine


@pytest.mark.parametrize("made_by", [lambda: ROWS, ROWS.to_pandas, lambda: duckdb.from_arrow(ROWS)])
def test_rows_come_back_as_whatever_the_input_is_annotated_as(
    made_by: Callable[[], Any], manager: MedallionIOManager
) -> None:
    seen: dict[str, Any] = {}
    asset_in = {"mine": dg.AssetIn(key=["silver", "mine"])}

    @dg.asset(partitions_def=DAYS, ins=asset_in)
    def as_pandas(mine: pd.DataFrame) -> None:
        seen["pandas"] = mine.to_dict("list")

    @dg.asset(partitions_def=DAYS, ins=asset_in)
    def as_arrow(mine: pa.Table) -> None:
        seen["pyarrow"] = mine.to_pydict()

    @dg.asset(partitions_def=DAYS, ins=asset_in)
    def as_relation(mine: duckdb.DuckDBPyRelation) -> None:
        seen["duckdb"] = mine.order("id").to_arrow_table().to_pydict()

    @dg.asset(partitions_def=DAYS, ins=asset_in)
    def as_dataset(mine: ds.Dataset) -> None:
        seen["dataset"] = mine.to_table().to_pydict()

    readers = [as_pandas, as_arrow, as_relation, as_dataset]
    materialize([returning(made_by()), *readers], manager, partition_key="2024-09-01")
    assert seen == dict.fromkeys(("pandas", "pyarrow", "duckdb", "dataset"), ROWS.to_pydict())


def test_a_range_run_takes_a_mapping_and_hands_on_all_partitions(manager: MedallionIOManager) -> None:
    seen = []

    @dg.asset(
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"mine": dg.AssetIn(key=["silver", "mine"])},
    )
    def reader(mine: pa.Table) -> None:
        seen.append(mine.num_rows)

    tags = {
        "dagster/asset_partition_range_start": "2024-09-01",
        "dagster/asset_partition_range_end": "2024-09-02",
    }
    mapping = {"2024-09-01": ROWS, "2024-09-02": ROWS.slice(1)}
    materialize([returning(mapping), reader], manager, tags=tags)
    assert seen == [3]


def test_one_frame_for_several_partitions_is_refused(manager: MedallionIOManager) -> None:
    tags = {
        "dagster/asset_partition_range_start": "2024-09-01",
        "dagster/asset_partition_range_end": "2024-09-02",
    }
    with pytest.raises(TypeError, match="return a mapping from partition key to rows"):
        materialize([returning(ROWS)], manager, tags=tags)


def test_reading_what_was_never_materialized_says_what_to_run(manager: MedallionIOManager) -> None:
    context = dg.build_input_context(
        asset_key=dg.AssetKey(["silver", "mine"]),
        partition_key="2024-09-01",
        asset_partitions_def=DAYS,
        asset_partition_key_range=dg.PartitionKeyRange("2024-09-01", "2024-09-01"),
    )
    with pytest.raises(MissingPartition, match="--select silver/mine --partition 2024-09-01"):
        manager.load_input(context)


def test_a_declared_table_takes_only_its_own_columns(tmp_path: Path) -> None:
    site = Site(tmp_path)
    unit = site.stages.units["sft_pairs"]
    manager = MedallionIOManager(site.roots, {dg.AssetKey(["silver", "mine"]): unit})
    with pytest.raises(SchemaMismatch) as caught:
        materialize([returning(ROWS)], manager, partition_key="2024-09-01")
    assert "column 'record_id' (string) is missing" in caught.value.differences
    assert "column 'text' is not declared" in caught.value.differences


def test_the_same_rows_again_change_nothing(manager: MedallionIOManager) -> None:
    def changed() -> Any:
        result = materialize([returning(ROWS)], manager, partition_key="2024-09-01")
        (event,) = result.get_asset_materialization_events()
        return event.materialization.metadata["changed"].value

    assert [changed(), changed()] == [True, False]


def test_each_partition_of_a_range_has_its_own_metadata(manager: MedallionIOManager) -> None:
    tags = {
        "dagster/asset_partition_range_start": "2024-09-01",
        "dagster/asset_partition_range_end": "2024-09-02",
    }
    result = materialize([returning({"2024-09-01": ROWS, "2024-09-02": ROWS.slice(1)})], manager, tags=tags)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    assert {event.partition: event.metadata["rows"].value for event in events} == {
        "2024-09-01": 2,
        "2024-09-02": 1,
    }
    assert all(Path(str(event.metadata["path"].value)).is_dir() for event in events)
