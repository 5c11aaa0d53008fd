"""Laws of traces through gold in which a row is a record: there and back, for every unit."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.trace.errors import NotFound
from medallion_assets.trace.reader import open_store
from medallion_assets.trace.records import bin_of
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import (
    DAY_AFTER,
    DAYS,
    all_units_site,
    build_day,
    rows,
)
from medallion_assets_tests.trace.stores import answers

LENGTHS = {
    "dpo": ("prompt_length", "chosen_length", "rejected_length"),
    "grpo": ("prompt_length",),
    "rated": ("prompt_length",),
    "replay": ("length",),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = all_units_site(tmp_path_factory.mktemp("rows"))
    for day in (*DAYS, DAY_AFTER):
        build_day(site, day)
    return site


def gold_rows(site: Site, recipe: str, day: str) -> list[dict[str, Any]]:
    return rows(site, site.stages.recipes[recipe].table, day)


@pytest.mark.parametrize("recipe", LENGTHS)
def test_a_row_leads_to_its_record_and_the_record_to_its_row(recipe: str, site: Site) -> None:
    day = DAYS[2] if recipe == "rated" else DAYS[0]
    kept = gold_rows(site, recipe, day)
    assert kept
    for number, row in enumerate(kept[:3]):
        end = sum(row[name] for name in LENGTHS[recipe])
        words = ("gold", recipe, "--partition", day, "--bin", str(number))
        [whole], [there] = (
            answers(site.roots.data, *words),
            answers(site.roots.data, *words, "--position", "0"),
        )
        span = {"bin": number, "start": 0, "end": end, "offset": 0}
        assert [(each["record_id"], each["span"]) for each in whole["documents"]] == [
            (row["record_id"], span)
        ]
        assert there["record"]["record_id"] == row["record_id"]
        if recipe != "rated":
            [hop] = [hop for hop in there["record"]["fate"]["hops"] if hop["table"] == f"gold/{recipe}"]
            assert (hop["outcome"], hop["partition"], hop["spans"]) == ("packed", day, [span])


def test_a_rated_prompt_is_followed_into_the_newest_curriculums_gold(site: Site) -> None:
    [fate] = answers(site.roots.data, "file", f"prompts/{DAYS[2]}/q.jsonl", "--line", "1")
    hops = [(hop["table"], hop["partition"], hop["outcome"]) for hop in fate["hops"]]
    assert hops[2:] == [
        ("silver/rl_curriculum", DAY_AFTER, "kept"),
        ("gold/rated", DAY_AFTER, "packed"),
        ("gold/grpo", DAYS[2], "packed"),
    ]


def test_an_exports_funnel_counts_its_rows_in_gold(site: Site) -> None:
    [funnel] = answers(site.roots.data, "file", "rollouts/2024-09-01/run/1.jsonl")
    passages = {each["table"]: (each["kept"], each["rejected"]) for each in funnel["passages"]}
    assert passages["gold/replay"] == passages["silver/rl_rollouts"] == (9, {})


def test_a_row_that_is_not_there_is_told(site: Site) -> None:
    with (
        open_store(site.roots.data) as reader,
        pytest.raises(NotFound, match="has no bin 99; its bins are 0 to"),
    ):
        bin_of(reader, "grpo", DAYS[0], 99)
