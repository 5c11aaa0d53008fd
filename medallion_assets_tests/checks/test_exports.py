"""Laws of quarantined exports and reject rates, on exports as they land."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from medallion_assets.checks.exports import quarantined, reject_rate
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.extract.test_inventory import arrive_on
from medallion_assets_tests.pipeline.sample import LONG_AGO, Site
from medallion_assets_tests.pipeline.units_sample import build_day

FIRST, SECOND = "2024-09-01", "2024-09-02"
BROKEN, SOUND = '[{"instruction": ', '[{"instruction": "a", "output": "b"}]'
CONFIG = PipelineConfig.model_validate(
    {"start_date": FIRST, "sources": [{"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"}]}
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, CONFIG)


def drop(site: Site, file: str, text: str, day: str = FIRST) -> None:
    """The export, taken into bronze."""
    path = site.roots.landing / "alpaca" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))
    build_day(site, day)


def in_quarantine(site: Site) -> list[tuple[str, str]]:
    [source] = site.stages.sources
    return [(each.file, str(each.landing_date)) for each in quarantined(site.store, source.bronze.table)]


def test_a_broken_export_is_told_with_its_defect(site: Site) -> None:
    drop(site, f"{FIRST}/a.json", BROKEN)
    [source] = site.stages.sources
    [found] = quarantined(site.store, source.bronze.table)
    assert (found.file, found.landing_date) == (f"{FIRST}/a.json", date(2024, 9, 1))
    assert found.defect.startswith("broken_json_array: ")


@pytest.mark.parametrize("text", [SOUND, '{"instruction": "a"', "", "[]", "{}\n{}"])
def test_an_export_that_can_be_taken_apart_is_not_in_quarantine(text: str, site: Site) -> None:
    """Whatever its records are worth."""
    drop(site, f"{FIRST}/a.jsonl", text)
    assert in_quarantine(site) == []


def test_a_sound_file_of_the_same_name_replaces_a_broken_one(site: Site) -> None:
    drop(site, f"{FIRST}/a.json", BROKEN)
    drop(site, f"{FIRST}/b.json", BROKEN + " ")
    drop(site, f"{FIRST}/a.json", SOUND)
    assert in_quarantine(site) == [(f"{FIRST}/b.json", FIRST)]


def test_a_broken_file_that_replaces_a_sound_one_is_told(site: Site) -> None:
    for text in (BROKEN, SOUND, BROKEN + " ", BROKEN + "  "):
        drop(site, f"{FIRST}/a.json", text)
    assert in_quarantine(site) == [(f"{FIRST}/a.json", FIRST)]


@pytest.mark.parametrize(("first", "second", "expected"), [(BROKEN, SOUND, []), (SOUND, BROKEN, [SECOND])])
def test_what_landed_on_a_later_date_counts(
    first: str, second: str, expected: list[str], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, day in ((first, FIRST), (second, SECOND)):
        arrive_on(monkeypatch, date.fromisoformat(day))
        drop(site, "a.json", text, day)
    assert [day for _, day in in_quarantine(site)] == expected


@pytest.mark.parametrize(
    ("lines", "rate"),
    [([], 0.0), (["{}"], 1.0), (['{"instruction": "a", "output": "b"}', "{}", "{", "1"], 0.75)],
)
def test_the_reject_rate_is_the_share_of_all_records(lines: list[str], rate: float, site: Site) -> None:
    drop(site, f"{FIRST}/a.jsonl", "\n".join(lines))
    conformed = site.stages.sources[0].conformed.table
    assert [reject_rate(site.store, conformed, day) for day in (FIRST, SECOND)] == [rate, 0.0]
