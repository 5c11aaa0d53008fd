"""A store of the version before is refused by name, shown as outdated, and settles to today's bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from medallion_assets.storage.catalogue import refresh
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest, content_hash
from medallion_assets.storage.parts import PartWriter
from medallion_assets.storage.store import Append, OtherSchema, Table
from medallion_assets_tests.pipeline import units_sample
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import DAYS, build_day
from medallion_assets_tests.pipeline.works import outdated_days

AGED = "silver/sft_pairs"
LATER_COLUMN = "tools"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = units_sample.all_units_site(tmp_path)
    for day in DAYS:
        build_day(made, day)
    return made


def nightly(site: Site) -> None:
    """One range run over all days, without Dagster."""
    for stage in site.stages.all():
        for key in DAYS:
            build = stage.build(site.store, key)
            if not isinstance(build, Append):
                site.store.overwrite(stage.table, key, build)


def age(site: Site, table: Table, key: str) -> None:
    """Makes of a partition what a version without one of its columns wrote."""
    folder = site.store.folder(table, key)
    [path] = site.store.paths(table, key)
    columns = tuple(column for column in table.schema.columns if column.name != LATER_COLUMN)
    older = replace(table.schema, version=table.schema.version - 1, columns=columns)
    writer = PartWriter(folder, older, label="part-00000")
    writer.write(pq.read_table(path, partitioning=None).drop_columns([LATER_COLUMN]))
    part = writer.finish()
    manifest = site.store.manifest(table, key)
    assert manifest
    old = msgspec.structs.replace(
        manifest,
        parts=(part,),
        schema_version=table.schema.version - 1,
        content_hash=content_hash((part,), manifest.rejects),
        digests=msgspec.structs.replace(manifest.digests, code="of the version before"),
    )
    (folder / MANIFEST_NAME).write_bytes(old.encode())


def test_an_older_store_is_refused_shown_and_settled(site: Site) -> None:
    today, open_before = units_sample.swept(site), outdated_days(site.stages, site.store)
    table = units_sample.table(site, AGED)
    for key in site.store.keys(table):
        age(site, table, key)
    with pytest.raises(OtherSchema, match=f"version {table.schema.version - 1} of the schema sft_pairs"):
        site.store.paths(table, DAYS[0])
    refresh(site.roots.data, site.roots.warehouse)
    with duckdb.connect(str(site.roots.warehouse), read_only=True) as duck:
        assert duck.execute(f"SELECT count(*) FROM {AGED.replace('/', '.')}").fetchone() != (0,)
    assert outdated_days(site.stages, site.store) - open_before == {date.fromisoformat(day) for day in DAYS}
    nightly(site)
    assert units_sample.swept(site) == today
    assert outdated_days(site.stages, site.store) == open_before


def test_a_store_from_before_seals_changes_only_where_it_is_built_again(site: Site) -> None:
    manifests = sorted(site.roots.data.glob(f"*/**/dt=*/{MANIFEST_NAME}"))
    for path in manifests:
        path.write_bytes(path.read_bytes().partition(b',\n "sha256": "')[0] + b"\n}\n")
    before = {path: path.read_bytes() for path in manifests}
    assert [Manifest.read(path).manifest_version for path in manifests] == [1] * len(manifests)
    for day in DAYS:
        assert build_day(site, day) == []
    assert {path: path.read_bytes() for path in manifests} == before
