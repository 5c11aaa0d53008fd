"""Laws of `medallion verify`: any damage is named, and what can be made again comes out as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.extract.ingest import RAW_NAME
from medallion_assets.recover.damage import verify_store
from medallion_assets.recover.rebuild import rebuild
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest, NewerManifest
from medallion_assets_tests.pipeline import units_sample
from medallion_assets_tests.release.releases import ReleaseSite, all_units, flip, medallion
from medallion_assets_tests.release.releases import with_releases as configured

RELEASE = {"name": "v1", "recipes": ["packed"], "from": "2024-09-02", "to": "2024-09-02"}
CONFIG = configured(RELEASE, base=units_sample.CONFIG)
DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "deleted": Path.unlink,
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    all_units(folder).cut()
    return folder


@pytest.fixture
def site(pristine: Path, tmp_path: Path) -> ReleaseSite:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return ReleaseSite(tmp_path, CONFIG)


def stored(site: ReleaseSite, pattern: str) -> Path:
    return sorted(site.store.root.glob(pattern))[0]


def damaged(site: ReleaseSite) -> list[str]:
    return [damage.path for damage in verify_store(site.store.root).damages]


def made_good(site: ReleaseSite) -> dict[str, bool]:
    found = verify_store(site.store.root).damages
    return {each.place.name: each.done for each in rebuild(found, site.site.stages, site.store)}


def test_a_sound_store_is_sound(site: ReleaseSite) -> None:
    found = verify_store(site.store.root)
    assert found.damages == ()
    assert found.partitions == len(list(site.store.root.glob("[bsg]*/**/_manifest.json")))
    assert found.bytes > 0 < found.releases


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "pattern",
    [
        "bronze/alpaca/dt=2024-09-01/part-*.parquet",
        "silver/alpaca_conformed/dt=2024-09-01/part-*.parquet",
        "silver/rl_rollouts/dt=2024-09-02/rejects-*.parquet",
        "silver/alpaca_conformed/dt=2024-09-02/fingerprints-*.arrow",
        "gold/packed/v=*/dt=2024-09-03/part-*.parquet",
    ],
)
def test_a_damaged_file_is_named_and_made_again_to_the_byte(
    site: ReleaseSite, pattern: str, damage: str
) -> None:
    before = site.site.fingerprint()
    path = stored(site, pattern)
    DAMAGES[damage](path)
    assert damaged(site) == [str(path.relative_to(site.store.root))]
    assert list(made_good(site).values()) == [True]
    assert (site.site.fingerprint(), damaged(site)) == (before, [])


@pytest.mark.parametrize("layer", ["silver/sft_pairs", "gold/packed/v=*"])
def test_a_damaged_manifest_is_made_again_to_the_byte(site: ReleaseSite, layer: str) -> None:
    before = site.site.fingerprint()
    flip(stored(site, f"{layer}/dt=2024-09-02/{MANIFEST_NAME}"))
    assert list(made_good(site).values()) == [True]
    assert site.site.fingerprint() == before


def test_damage_all_over_is_made_good_in_the_order_of_the_graph(site: ReleaseSite) -> None:
    before = site.site.fingerprint()
    for path in sorted(site.store.root.glob("[sg]*/**/dt=*/*.parquet")):
        flip(path)
    flip(stored(site, "bronze/alpaca/dt=2024-09-01/part-*.parquet"))
    assert len(damaged(site)) > 50
    assert set(made_good(site).values()) == {True}
    assert (site.site.fingerprint(), damaged(site)) == (before, [])


def test_bronze_without_its_kept_export_is_left_to_a_person(site: ReleaseSite) -> None:
    for path in site.store.root.glob(f"bronze/alpaca/{RAW_NAME}/*"):
        path.unlink()
    part = stored(site, "bronze/alpaca/dt=2024-09-01/part-*.parquet")
    flip(part)
    broken = part.read_bytes()
    assert made_good(site) == {"bronze/alpaca 2024-09-01": False}
    assert part.read_bytes() == broken


def test_a_kept_export_that_has_changed_is_named(site: ReleaseSite) -> None:
    kept = stored(site, f"bronze/alpaca/{RAW_NAME}/*")
    flip(kept)
    assert damaged(site) == [str(kept.relative_to(site.store.root))]
    assert made_good(site) == {"bronze/alpaca": False}


def test_a_table_that_nobody_makes_any_more_is_left_to_a_person(site: ReleaseSite) -> None:
    old = stored(site, "gold/packed/v=*")
    shutil.copytree(old, old.with_name("v=000000000000"))
    flip(stored(site, "gold/packed/v=000000000000/dt=2024-09-01/part-*.parquet"))
    assert made_good(site) == {"gold/packed v=000000000000 2024-09-01": False}


def test_a_damaged_release_is_named(site: ReleaseSite) -> None:
    path = stored(site, "releases/v1/packed/train/dt=*/*.parquet")
    flip(path)
    assert damaged(site) == [str(path.relative_to(site.store.root))]
    assert made_good(site) == {"releases/v1": False}


def test_the_command_says_what_is_wrong_and_mends_it(site: ReleaseSite) -> None:
    sound = medallion(site, "verify")
    assert (sound.exit_code, "everything is as it was written" in sound.output) == (0, True)
    flip(stored(site, "silver/sft_pairs/dt=2024-09-02/part-*.parquet"))
    found = medallion(site, "verify")
    assert found.exit_code == 1
    assert (
        "DAMAGED: 1 files\nsilver/sft_pairs 2024-09-02\n  silver/sft_pairs/dt=2024-09-02/part-"
        in found.output
    )
    mended = medallion(site, "verify", "--rebuild")
    assert mended.exit_code == 0, mended.output
    assert "done  silver/sft_pairs 2024-09-02: built again: the same bytes as before" in mended.output
    assert medallion(site, "verify").exit_code == 0


@given(st.data())
def test_no_flipped_bit_of_a_manifest_goes_unseen(pristine: Path, data: st.DataObject) -> None:
    path = next(pristine.glob(f"data/silver/sft_pairs/dt=2024-09-02/{MANIFEST_NAME}"))
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    flipped = pristine / "flipped.json"
    flipped.unlink(missing_ok=True)
    flipped.write_bytes(content)
    with suppress(DamagedManifest, NewerManifest):
        assert Manifest.read(flipped) == Manifest.read(path)


def test_a_manifest_of_a_later_version_is_not_taken_for_damage(site: ReleaseSite) -> None:
    path = stored(site, f"silver/sft_pairs/dt=*/{MANIFEST_NAME}")
    path.write_bytes(path.read_bytes().replace(b'"manifest_version": 1', b'"manifest_version": 2'))
    with pytest.raises(NewerManifest, match="of version 2, and this package reads up to 1: upgrade"):
        Manifest.read(path)


def test_a_manifest_of_before_seals_is_read(site: ReleaseSite) -> None:
    path = stored(site, f"silver/sft_pairs/dt=*/{MANIFEST_NAME}")
    sealed = Manifest.read(path)
    path.write_bytes(path.read_bytes().partition(b',\n "sha256": "')[0] + b"\n}\n")
    assert Manifest.read(path) == sealed
