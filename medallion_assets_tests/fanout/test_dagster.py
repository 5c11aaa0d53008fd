"""Fan-out under Dagster: one run with one step an asset, whose workers end with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.config.file import ConfigError, check
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.fanout.partitions import Fanout
from medallion_assets.fanout.pool import Pool, end_idle
from medallion_assets.release.pins import configuration_of
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import stages_of
from medallion_assets.storage.io_manager import MedallionIOManager, PartitionBuilds
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table
from medallion_assets_tests.fanout.ranges import stored
from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.pipeline.sample import CONFIG, Site, land_three_days
from medallion_assets_tests.storage.samples import NUMBERS

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
FANOUTS = st.fixed_dictionaries(
    {}, optional={"backend": st.sampled_from(["local", "pool", "ray"]), "workers": st.none() | st.integers(1)}
)


@pytest.fixture(scope="module", autouse=True)
def _own_workers() -> Iterator[None]:
    yield
    end_idle()


def with_fanout(**fanout: object) -> PipelineConfig:
    return check({**CONFIG.model_dump(mode="json"), "fanout": fanout})


def test_a_range_run_on_a_pool_stores_and_tells_the_same(tmp_path: Path) -> None:
    found = []
    for name, config in (("local", CONFIG), ("pool", with_fanout(backend="pool", workers=2))):
        site = Site(tmp_path / name, config)
        land_three_days(site)
        with dg.DagsterInstance.ephemeral() as instance:
            assert site.run(DAYS[0], DAYS[2], instance=instance).success
            [gold] = instance.fetch_materializations(dg.AssetKey(["gold", "packed"]), limit=9).records[:1]
            events = instance.fetch_materializations(dg.AssetKey(["gold", "packed"]), limit=9).records
        found.append((stored(site.roots.data), [told(event) for event in events]))
        assert gold.partition_key == DAYS[2]
    assert found[0] == found[1]


def told(event: dg.EventLogRecord) -> tuple[str | None, dict[str, object]]:
    metadata = event.asset_materialization.metadata if event.asset_materialization else {}
    return event.partition_key, {name: each.value for name, each in metadata.items() if name != "path"}


@dataclass(frozen=True)
class Endless:
    """A partition that is never done, and tells who is at it."""

    file: Path

    def __call__(self, store: PartitionStore) -> Build:
        return Build(lambda: Digests("", "", ""), self._write)

    def _write(self, writer: PartitionWriter) -> None:
        self.file.write_text(str(os.getpid()))
        while True:
            time.sleep(1)


def test_a_terminated_run_ends_its_workers(tmp_path: Path) -> None:
    """As the UI terminates a run: by SIGINT to its process."""
    files = [tmp_path / key for key in DAYS]
    table = Table("silver", "endless", NUMBERS)

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(list(DAYS)), backfill_policy=SINGLE)
    def endless() -> PartitionBuilds:
        return PartitionBuilds(table, {file.name: Endless(file) for file in files})

    manager = MedallionIOManager(Roots(tmp_path / "data", tmp_path), {}, Fanout(Pool(2)))
    threading.Thread(target=_terminate_when, args=(files[:2],)).start()
    ends = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[2]}
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(BaseException):  # noqa: B017, PT011  # how it is told is Dagster's
            dg.materialize([endless], resources={"io_manager": manager}, tags=ends, instance=instance)
        [run] = instance.get_runs()
        assert run.is_finished
        assert not run.is_success
    for file in files[:2]:
        assert not Path(f"/proc/{file.read_text()}").exists()
    assert list((tmp_path / "data" / "silver").rglob("_manifest.json")) == []


def _terminate_when(files: list[Path]) -> None:
    wait_for(lambda: all(each.exists() and each.read_text() for each in files), seconds=60, what="workers")
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@given(fanout=FANOUTS)
def test_where_work_is_done_enters_no_digest_and_no_release(fanout: dict[str, object]) -> None:
    config = with_fanout(**fanout)
    assert configuration_of(config) == configuration_of(CONFIG)
    roots = Roots(Path("data"), Path("landing"))
    stages, others = (stages_of(each, roots, base=project_folder()) for each in (config, CONFIG))
    assert stages == others


def test_a_backend_that_is_none_is_said_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"fanout\.backend: got 'pol'; allowed: local, pool, ray; did you"):
        with_fanout(backend="pol")
    with pytest.raises(ConfigError, match=r"fanout\.workers: got 0"):
        with_fanout(workers=0)


SINGLE = dg.BackfillPolicy.single_run()
