"""What is outdated by the store alone, and how automation settles it: that, in one run, then nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.automation.settle import Cause
from medallion_assets_tests.automation.settling_sample import (
    DAYS,
    QUESTION,
    RECIPE,
    Automation,
    another_tokenizer,
    build,
    configured,
    copy_of,
    land,
    outdated,
    taken,
)
from medallion_assets_tests.pipeline.sample import Site, alpaca

Other = dict[str, Any]
QUIZ = "evals/quiz/2024-09-04/new.jsonl"
EVERY_DAY = dict.fromkeys(DAYS, Cause.CONFIGURATION)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of a pipeline where everything is as it would be."""
    folder = tmp_path_factory.mktemp("settled")
    site = Site(folder, configured())
    land(site)
    build(site)
    assert outdated(site) == {}
    return folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def contents(site: Site) -> dict[tuple[str, str], str]:
    """Of every partition of silver and gold, which rows there are."""
    return {
        (stage.table.full_name, key): manifest.content_hash
        for stage in site.stages.all()
        for key in site.store.keys(stage.table)
        if not stage.table.append_only and (manifest := site.store.manifest(stage.table, key))
    }


def test_the_settled_asks_for_nothing(settled: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """Though Dagster has no event of any of it: bytes that are right are not made again."""
    site = copy_of(settled, tmp_path)
    before = site.fingerprint()
    assert Automation(site, instance).settle() == []
    assert site.fingerprint() == before


def test_nothing_landed_asks_for_nothing(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert Automation(Site(tmp_path, configured()), instance).settle() == []


def a_late_landing(site: Site) -> None:
    site.land(f"alpaca/{DAYS[1]}/late.jsonl", [alpaca("late", "answer")])
    taken(site)


def another_delivery(site: Site) -> None:
    site.land(QUIZ, [{"question": QUESTION}])
    taken(site)


def nothing(_: Site) -> None:
    pass


@pytest.mark.parametrize(
    ("event", "other", "first"),
    [
        (
            a_late_landing,
            {},
            {"silver/alpaca_conformed": {DAYS[1]: Cause.INPUTS}, "silver/profile": {DAYS[1]: Cause.INPUTS}},
        ),
        (another_delivery, {}, {"silver/eval_quiz": {"2024-09-04": Cause.NEVER_BUILT}}),
        (
            nothing,
            {"quality": {"min_answer_characters": 9}},
            {
                "silver/alpaca_conformed": EVERY_DAY,
                "silver/chats_conformed": dict.fromkeys((DAYS[0], DAYS[2]), Cause.CONFIGURATION),
            },
        ),
        (nothing, {"near_duplicates": {"threshold": 0.95}}, {"silver/sft_pairs": EVERY_DAY}),
        (nothing, {"decontamination": {"min_coverage": 0.9}}, {"silver/sft_pairs_contamination": EVERY_DAY}),
        (nothing, {"recipes": [RECIPE | {"max_length": 64}]}, {"gold/packed": EVERY_DAY}),
        (
            nothing,
            {"recipes": [RECIPE, RECIPE | {"name": "more"}]},
            {"gold/more": dict.fromkeys(DAYS, Cause.NEW)},
        ),
    ],
    ids=["late landing", "eval set", "quality", "near", "decontamination", "recipe", "new recipe"],
)
def test_what_changed_is_outdated_then_settled_by_one_run_as_if_it_had_always_been_so(
    event: Callable[[Site], None],
    other: Other,
    first: Mapping[str, Mapping[str, Cause]],
    settled: Path,
    tmp_path: Path,
    instance: dg.DagsterInstance,
) -> None:
    site = copy_of(settled, tmp_path / "old", **other)
    event(site)
    assert outdated(site) == first
    automation = Automation(site, instance)
    [asked] = automation.settle()
    assert len(asked) == 1
    assert outdated(site) == {}
    assert automation.settle() == []
    always = Site(tmp_path / "always", configured(**other))
    land(always)
    event(always)
    build(always)
    assert contents(site) == contents(always)


def test_another_tokenizer_makes_the_recipe_and_its_figures_outdated(settled: Path, tmp_path: Path) -> None:
    tokenizer = another_tokenizer(tmp_path / "tokenizer")
    site = copy_of(settled, tmp_path / "old", recipes=[RECIPE | {"tokenizer": tokenizer}])
    assert outdated(site) == {"gold/packed": EVERY_DAY, "silver/profile": EVERY_DAY}


def test_a_run_builds_nothing_but_what_is_outdated(
    settled: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The set gives away one record of the second day, so no other day of the unit is built again."""
    site = copy_of(settled, tmp_path)
    another_delivery(site)
    automation = Automation(site, instance)
    automation.settle()
    built = {
        (str(event.asset_key and event.asset_key.to_user_string()), str(event.partition))
        for run in automation.runs
        for event in run.get_asset_materialization_events()
        if event.materialization.metadata["changed"].value
    }
    assert built == {
        ("silver/eval_quiz", "2024-09-04"),
        ("silver/eval_index", "2024-09-04"),
        *(("silver/sft_pairs_contamination", day) for day in DAYS),
        *((table, DAYS[1]) for table in ("silver/sft_pairs", "gold/packed", "silver/profile")),
    }
