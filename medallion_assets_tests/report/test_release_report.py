"""Laws of a release's card and report: the ledger's numbers, in one file each, with nothing that acts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from msgspec.structs import replace as with_fields

from medallion_assets.report.card import card_of
from medallion_assets.report.digest import digest_of
from medallion_assets.report.page import page_of
from medallion_assets.report.release import Figures, Rejected, SourceFunnel, figures_of
from medallion_assets_tests.release.releases import ReleaseSite, all_units, three_days

DRAWN = set(re.findall(r"\w+", "html head title style body h1 h2 h3 p table tr th td svg rect text"))
IMAGE = re.compile(r"!\[\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]*\)")
HOSTILE = '<script>alert(1)</script>|![x](http://x/y.png)"&amp;'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSite:
    made = three_days(tmp_path_factory.mktemp("site"))
    made.cut()
    return made


@pytest.fixture(scope="module")
def figures(site: ReleaseSite) -> Figures:
    release = site.release()
    return figures_of(release.manifest, "packed", release.folder)


def test_the_funnel_counts_every_record_that_landed(figures: Figures) -> None:
    assert figures.sources == (
        SourceFunnel("alpaca", 58, 56, 50, 50, 1200),
        SourceFunnel("chats", 6, 4, 2, 1, 41),
    )
    assert figures.rejected[:2] == (
        Rejected("silver/sft_pairs", "dedup", "exact_duplicate", 8),
        Rejected("gold/packed", "package", "too_long", 1),
    )


def test_what_landed_is_held_or_left_out_for_a_reason(figures: Figures) -> None:
    landed = sum(each.landed or 0 for each in figures.sources)
    held = sum(each.held for each in figures.sources)
    assert landed == held + sum(each.records for each in figures.rejected)


def test_lengths_and_fill_count_every_record_and_every_row(site: ReleaseSite, figures: Figures) -> None:
    rows = sum(file.rows or 0 for file in site.release().manifest.data("packed"))
    assert sum(count for _, count in figures.lengths) == sum(each.held for each in figures.sources)
    assert sum(count for _, count in figures.fill) == rows


def test_records_made_of_rollouts_have_not_landed(tmp_path: Path) -> None:
    release = all_units(tmp_path).cut()
    found = figures_of(release.manifest, "packed", release.folder)
    assert [(each.source, each.landed) for each in found.sources] == [("alpaca", 2), ("rollout_sft", None)]


def test_the_front_matter_names_the_files_of_each_recipe(site: ReleaseSite, figures: Figures) -> None:
    _, front, _ = (site.release().folder / "README.md").read_text().split("---\n", 2)
    read = yaml.safe_load(front)
    assert [each["config_name"] for each in read["configs"]] == ["packed", "plain"]
    for each in read["configs"]:
        [files] = each["data_files"]
        found = {str(p.relative_to(site.release().folder)) for p in site.release().folder.glob(files["path"])}
        assert found == {file.path for file in site.release().manifest.data(each["config_name"])}


def test_the_report_is_one_well_formed_page_without_scripts_or_links(site: ReleaseSite) -> None:
    page = (site.release().folder / "report.html").read_text()
    tree = ElementTree.fromstring(
        page.removeprefix("<!doctype html>\n").replace('<meta charset="utf-8">', "")
    )
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags <= DRAWN
    assert not re.search(r"(src|href|on\w+)\s*=|url\(", page)


def test_names_that_others_chose_are_text_and_nothing_else(site: ReleaseSite, figures: Figures) -> None:
    manifest = site.release().manifest
    pins = tuple(with_fields(pin, source=HOSTILE) for pin in manifest.tokenizers)
    hostile = replace(
        figures,
        sources=(SourceFunnel(HOSTILE, 1, 1, 1, 1, 1),),
        rejected=(Rejected(HOSTILE, HOSTILE, HOSTILE, 1),),
    )
    told = with_fields(manifest, tokenizers=pins)
    page, card = page_of(told, {"packed": hostile}), card_of(told, {"packed": hostile})
    digest = digest_of(told, {"packed": hostile})
    assert "<script" not in page + card + digest
    assert "![" not in card
    assert re.fullmatch(r"[\w |:,.`#()?\n\xa0-]*", IMAGE.sub("", digest))
    assert "&lt;script&gt;" in page


def test_the_card_is_the_same_however_often_it_is_made(site: ReleaseSite) -> None:
    release = site.release()
    found = {name: figures_of(release.manifest, name, release.folder) for name in release.manifest.recipes}
    assert card_of(release.manifest, found) == (release.folder / "README.md").read_text()
    assert page_of(release.manifest, found) == (release.folder / "report.html").read_text()
