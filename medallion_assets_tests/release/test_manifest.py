"""Laws of the manifest: read as it was written, and nothing outside of the folder is ever looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.release.errors import DamagedRelease
from medallion_assets.release.manifest import DECODER, Release, find_release, release_names
from medallion_assets_tests.release.releases import ReleaseSite, three_days


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSite:
    made = three_days(tmp_path_factory.mktemp("site"))
    made.cut()
    return made


def test_a_manifest_comes_out_as_it_was_written(site: ReleaseSite) -> None:
    content = (site.release().folder / "manifest.json").read_bytes()
    assert DECODER.decode(content).encode() == content


def test_a_release_is_found_by_its_name_and_by_its_path(site: ReleaseSite) -> None:
    by_name, by_path = find_release("v1", site.store.root), find_release(site.release().folder)
    assert (by_name.id, by_name.manifest) == (by_path.id, by_path.manifest)
    assert release_names(site.store.root) == ["v1"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("manifest_version", 99, "manifest.json is of version 99, and 1 is read here"),
        ("path", "../../secret", "manifest.json names a file outside of the release: '../../secret'"),
        ("path", "/etc/passwd", "manifest.json names a file outside of the release: '/etc/passwd'"),
        ("part", "../part.parquet", "manifest.json names a part outside of its partition: '../part.parquet'"),
        ("part", "..", "manifest.json names a part outside of its partition: '..'"),
        ("source", "../../x", "manifest.json names a part outside of its partition: '../../x'"),
        ("landing_date", "../x", "manifest.json names a part outside of its partition: '../x'"),
        ("name", "x/../../../y", "manifest.json has a name that none of ours is like: 'x/../../../y'"),
        ("configuration", {}, "manifest.json does not say how these recipes are configured: packed, plain"),
    ],
)
def test_a_manifest_that_we_did_not_write_is_refused(
    site: ReleaseSite, key: str, value: Any, message: str
) -> None:
    pins = json.loads((site.release().folder / "manifest.json").read_bytes())
    places = {
        "path": pins["files"][0],
        **dict.fromkeys(("part", "source", "landing_date"), pins["exports"][0]),
    }
    places.get(key, pins)[key] = value
    with pytest.raises(DamagedRelease) as caught:
        Release(Path("somewhere"), json.dumps(pins).encode())
    assert caught.value.problems == (message,)


def test_a_path_may_start_from_where_one_stands(site: ReleaseSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.release().folder.parent)
    assert find_release("./v1").folder == find_release(Path("v1")).folder == site.release().folder


def test_a_manifest_that_was_cut_short_is_told(site: ReleaseSite) -> None:
    content = (site.release().folder / "manifest.json").read_bytes()
    with pytest.raises(DamagedRelease, match=r"manifest.json can't be read: .+\nRestore these files"):
        Release(Path("somewhere"), content[:-9])
