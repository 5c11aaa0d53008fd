"""Column lineage is true: what no column of gold is said to be made of changes nothing in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from medallion_assets.package.stage import GoldStage
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.schemas_lineage import PASSAGES, origins
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import DAYS, all_units_site, build_day

# Says which records are pairs; a record that is none becomes no row.
DECIDES = {"kind"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = all_units_site(tmp_path_factory.mktemp("lineage"))
    for day in DAYS[:2]:
        build_day(site, day)
    return site


def other(column: pa.ChunkedArray) -> pa.Array:
    """Values that are there nowhere."""
    changed: dict[Any, Any] = {pa.string(): "other", pa.int64(): -7, pa.int32(): -7, pa.float64(): -0.5}
    return pa.array([changed.get(column.type)] * len(column), column.type)


def gold_rows(stage: GoldStage, store: PartitionStore, day: str) -> list[dict[str, Any]]:
    store.overwrite(stage.table, day, stage.build(store, day))
    return [row for batch in store.batches(stage.table, day) for row in batch.to_pylist()]


@pytest.mark.parametrize("recipe", ["packed", "dpo", "grpo", "rated", "replay"])
def test_a_column_that_gold_is_not_made_of_changes_nothing_there(
    recipe: str, site: Site, tmp_path: Path
) -> None:
    stage = site.stages.recipes[recipe]
    day = next(day for day in DAYS if next(site.store.batches(stage.silver, day), None))
    silver = pa.Table.from_batches(site.store.batches(stage.silver, day))
    named = {
        name
        for columns in origins(GOLD_SCHEMAS[stage.unit], stage.silver.schema).values()
        for name in columns
    }
    changed = silver
    for place, name in enumerate(silver.column_names):
        if name not in named | DECIDES:
            changed = changed.set_column(place, silver.schema.field(name), other(silver.column(name)))
    store = PartitionStore(tmp_path)
    digests = Digests(digest_of(recipe), "", "")
    store.overwrite(stage.silver, day, Build(lambda: digests, lambda writer: writer.rows(changed)))
    assert not changed.equals(silver)
    assert gold_rows(stage, store, day) == gold_rows(stage, site.store, day) != []


def test_a_passage_speaks_of_columns_that_its_schemas_have(site: Site) -> None:
    schemas = {stage.table.schema.name: stage.table.schema for stage in site.stages.all()}
    wrong = [
        (pair, name)
        for pair, passage in PASSAGES.items()
        for name, columns in passage.made_of.items()
        if name not in schemas[pair[0]].arrow.names or set(columns) - set(schemas[pair[1]].arrow.names)
    ]
    assert wrong == []
