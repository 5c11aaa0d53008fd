"""Laws of audits where somebody has tampered: it is named, with its cause, whatever the manifest says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.release.manifest import Release
from medallion_assets_tests.release.releases import ReleaseSite, medallion, with_releases

CONFIG = with_releases({"name": "v1", "recipes": ["packed"], "from": "2024-09-01", "to": "2024-09-01"})
Pins = dict[str, Any]


def found(site: ReleaseSite) -> list[tuple[str, str, str]]:
    return [(each.cause, each.where, each.what) for each in site.audit().differences]


def kept(release: Release) -> Path:
    return release.folder / release.manifest.tokenizers[0].folder


def first(release: Release) -> Path:
    return release.path(next(release.manifest.data("packed")))


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        (lambda release: first(release).with_name("part-00001-0123456789ab.parquet"), "data"),
        (lambda release: release.folder / "notes.txt", "data"),
        (lambda release: kept(release) / "added_tokens.json", "tokenizer"),
    ],
)
def test_a_file_that_was_added_is_named(
    site: ReleaseSite, place: Callable[[Release], Path], cause: str
) -> None:
    path = place(site.release())
    path.write_text("{}")
    name = str(path.relative_to(site.release().folder))
    assert found(site) == [(cause, name, f"{name} is not part of the release")]


def test_what_a_file_system_hides_is_no_part_of_it(site: ReleaseSite) -> None:
    (site.release().folder / ".nfs0001").write_text("")
    assert site.audit().passed


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:99]), Path.unlink])
def test_a_file_that_was_cut_short_or_deleted_is_named_and_the_command_fails(
    site: ReleaseSite, damage: Callable[[Path], None]
) -> None:
    damage(first(site.release()))
    result = medallion(site, "audit", "v1")
    assert result.exit_code == 1
    assert (
        "FAILED: 1 difference\n  data: gold/packed 2024-09-01: packed/train/dt=2024-09-01/" in result.output
    )


def test_a_kept_tokenizer_that_is_gone_is_named(site: ReleaseSite) -> None:
    shutil.rmtree(kept(site.release()))
    audit = site.audit()
    assert {(each.cause, each.what.split()[-1]) for each in audit.differences} == {("tokenizer", "missing")}
    assert audit.skipped == "the tokenizer that the release keeps is not what it was made with"


def rows(pins: Pins) -> None:
    next(file for file in pins["files"] if "recipe" in file)["rows"] += 1


@pytest.mark.parametrize(
    ("change", "cause", "told"),
    [
        (rows, "unexplained", "has other rows or tokens than it is listed with"),
        (lambda pins: pins["schemas"].update({"gold/packed": "x 9"}), "unexplained", "its schemas come out"),
        (
            lambda pins: pins["tokenizers"][0].update(template_sha256="0"),
            "unexplained",
            "its tokenizers come",
        ),
        (lambda pins: pins["exports"][0].update(sha256="0" * 64), "data", "is not what bronze says"),
        (lambda pins: pins["exports"][0].update(file="b.jsonl"), "data", "is not what bronze says"),
    ],
)
def test_a_manifest_that_says_other_than_comes_out_is_named(
    site: ReleaseSite, change: Callable[[Pins], None], cause: str, told: str
) -> None:
    retell(site, change)
    [difference] = site.audit().differences
    assert (difference.cause, difference.where) == (cause, "manifest.json")
    assert told in difference.what


def test_a_manifest_of_another_release_is_refused(site: ReleaseSite) -> None:
    retell(site, lambda pins: pins.update(name="v2"))
    result = medallion(site, "audit", "v1")
    assert result.exit_code == 1
    assert "manifest.json is of the release v2" in result.output


def retell(site: ReleaseSite, change: Callable[[Pins], None]) -> None:
    path = site.release().folder / "manifest.json"
    pins = json.loads(path.read_bytes())
    change(pins)
    path.write_text(json.dumps(pins))
