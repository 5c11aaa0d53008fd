"""Laws of diffs: every record that one release holds and the other does not is told once, with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medallion_assets.release.diff import Diff, diff
from medallion_assets.release.errors import NoRelease
from medallion_assets.release.manifest import Release
from medallion_assets_tests.pipeline.sample import TOKENIZER, alpaca
from medallion_assets_tests.release.releases import (
    DAYS,
    EVERYTHING,
    ReleaseSite,
    medallion,
    three_days,
    with_releases,
)

Told = list[tuple[str, str, str, int]]  # source, why, reason, records


def after(site: ReleaseSite, release: dict[str, object], **keys: object) -> Release:
    """Another release of the same store, under another configuration."""
    changed = with_releases(EVERYTHING | {"name": "v2"} | release, **keys)
    return ReleaseSite(site.store.root.parent, changed).build().cut(str(release.get("name", "v2")))


def told(found: Diff, recipe: str) -> tuple[Told, Told]:
    [of_recipe] = (each for each in found.recipes if each.recipe == recipe)
    came, went = (
        [(each.source, each.why, each.reason, each.records) for each in moved]
        for moved in (of_recipe.came, of_recipe.went)
    )
    return came, went


def held(release: Release, recipe: str) -> set[str]:
    files = release.manifest.data(recipe)
    rows = (row for file in files for row in pq.ParquetFile(release.path(file)).read().to_pylist())
    return {record for row in rows for record in row["record_ids"]}


def test_a_release_does_not_differ_from_itself(tmp_path: Path) -> None:
    release = three_days(tmp_path).cut()
    found = diff(release, release)
    assert [(each.came, each.went, each.tokens_changed) for each in found.recipes] == [((), (), 0)] * 2
    assert (found.exports_added, found.exports_gone, found.pins) == ((), (), ())


def test_new_exports_bring_their_records_and_take_those_that_they_precede(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = site.cut()
    site.site.land(
        "chats/2024-09-01/new.jsonl", [_chat("what is new", "words"), _chat("ask 30", "answer 30")]
    )
    found = diff(before, after(site, {}))
    assert told(found, "packed") == ([("chats", "export", "", 1)], [])
    assert [export.file for export in found.exports_added] == ["2024-09-01/new.jsonl"]


def test_a_stricter_rule_is_told_with_the_stage_and_the_reason(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = site.cut()
    found = diff(before, after(site, {}, quality={"min_prompt_characters": 6}))
    went = [("alpaca", "rejected", "prompt_too_short", 10), ("chats", "rejected", "prompt_too_short", 1)]
    assert told(found, "packed") == ([], went)
    assert [(pin.what, pin.then, pin.now) for pin in found.pins] == [
        ("quality.min_prompt_characters", "null", "6")
    ]
    back = diff(after(site, {"name": "v3"}, quality={"min_prompt_characters": 6}), before)
    assert told(back, "packed") == (went, [])


def test_a_longer_window_takes_what_was_too_long(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = site.cut()
    recipes = [
        {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 2048},
        {"name": "plain", "unit": "sft_pairs", "tokenizer": TOKENIZER, "packing": "none"},
    ]
    found = diff(before, after(site, {}, recipes=recipes))
    assert told(found, "packed") == ([("chats", "rejected", "too_long", 1)], [])
    assert told(found, "plain") == ([], [])


def test_other_dates_leave_records_outside(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = site.cut()
    found = diff(before, after(site, {"from": DAYS[1], "to": DAYS[1]}))
    assert told(found, "plain")[1] == [("alpaca", "outside", "", 30), ("chats", "outside", "", 1)]


def test_every_record_that_moved_is_counted_once(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = site.cut()
    site.site.land("alpaca/2024-09-02/n.jsonl", [alpaca(f"something new {n}", "words") for n in range(7)])
    then = after(site, {"to": DAYS[1]}, quality={"min_prompt_characters": 6})
    for of_recipe in diff(before, then).recipes:
        old, new = held(before, of_recipe.recipe), held(then, of_recipe.recipe)
        counts = (sum(each.records for each in moved) for moved in (of_recipe.came, of_recipe.went))
        assert (*counts, of_recipe.stayed) == (len(new - old), len(old - new), len(old & new))
        assert {one for each in of_recipe.came for one in each.examples} <= new - old


def test_a_recipe_that_only_one_has_is_named_and_none_is_an_error(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    both = site.cut()
    one = after(site, {"recipes": ["plain"]})
    found = diff(both, one)
    assert (found.only_before, found.only_after) == (("packed",), ())
    alone = after(site, {"name": "v3", "recipes": ["packed"]})
    with pytest.raises(NoRelease, match="have no recipe in common"):
        diff(one, alone)


def test_the_command_prints_what_moved(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    site.cut()
    after(site, {"from": DAYS[1], "to": DAYS[1]}, quality={"min_prompt_characters": 6})
    result = medallion(site, "diff", "v1", "v2")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[:2] == ["from v1 to v2", "packed: 20 records in both"]
    assert lines[-1] == "  configuration: quality.min_prompt_characters: null then, 6 now"
    assert json.loads(medallion(site, "diff", "v1", "v2", "--json").output)["recipes"][0]["stayed"] == 20


def _chat(question: str, answer: str) -> dict[str, object]:
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}
