"""Laws of what is kept: judged by the verdicts where they hold, by the rules where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from medallion_assets.checks.contamination import kept_contamination
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.storage.store import Build, PartitionStore
from medallion_assets_tests.curate.rollouts import DAYS
from medallion_assets_tests.curate.test_decontaminate_stages import (
    DUCKS,
    FIRST,
    HUMAN,
    INDEX,
    ROBES,
    STAGE,
    WEB,
    put_items,
    put_prompts,
)

DAY = DAYS[0]
UNIT = UnitStage("rl_prompts", (("human", HUMAN), ("web", WEB)), contamination=STAGE.table)
HARMLESS = "Nothing that anybody would ever ask in a test about animals or clothes."


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    store = PartitionStore(tmp_path)
    put_items(store, FIRST, DAY, [DUCKS])
    make(store, INDEX)
    return store


def make(store: PartitionStore, stage: EvalIndexStage | ContaminationStage, day: str = DAY) -> None:
    store.overwrite(stage.table, day, stage.build(store, day))


def conform(store: PartitionStore, *texts: str) -> None:
    put_prompts(store, HUMAN, DAY, texts)


def keep(store: PartitionStore, *texts: str) -> None:
    put_prompts(store, UNIT.table, DAY, texts)


def judge_nothing_bad(store: PartitionStore) -> None:
    """As a matcher that sees nothing would leave it."""
    blind = STAGE.build(store, DAY)
    store.overwrite(STAGE.table, DAY, Build(blind.digests, lambda writer: None))


def told(store: PartitionStore) -> list[tuple[object, object]]:
    faults = kept_contamination(UNIT, STAGE, store, [DAY]).faults
    return [(fault["known_by"], fault["eval_set"]) for fault in faults]


def test_what_was_judged_harmless_may_be_kept_and_nothing_else(store: PartitionStore) -> None:
    conform(store, HARMLESS, f"Say: {DUCKS}")
    make(store, STAGE)
    keep(store, HARMLESS)
    assert told(store) == []
    keep(store, HARMLESS, f"Say: {DUCKS}")
    assert told(store) == [("the verdict on it", "first"), ("word for word", "first")]


def test_a_day_without_verdicts_is_judged_by_the_rules(store: PartitionStore) -> None:
    """As when somebody materializes the unit alone."""
    conform(store, HARMLESS, f"Say: {DUCKS}")
    keep(store, HARMLESS, f"Say: {DUCKS}")
    assert told(store) == [("no verdict; judged now", "first")]


def test_so_is_one_that_has_changed_since(store: PartitionStore) -> None:
    conform(store, HARMLESS)
    make(store, STAGE)
    conform(store, HARMLESS, f"Say: {DUCKS}")
    keep(store, HARMLESS, f"Say: {DUCKS}")
    assert told(store) == [("no verdict; judged now", "first")]


def test_and_one_that_was_judged_by_older_items(store: PartitionStore) -> None:
    conform(store, HARMLESS, f"Say: {ROBES}")
    make(store, STAGE)
    keep(store, HARMLESS, f"Say: {ROBES}")
    assert told(store) == []
    put_items(store, FIRST, DAYS[1], [DUCKS, ROBES])
    make(store, INDEX, DAYS[1])
    assert told(store) == [("no verdict; judged now", "first")]


@pytest.mark.parametrize("text", [DUCKS, f"Say:\n({DUCKS.replace(' ', chr(10))})"])
def test_what_the_matcher_misses_is_found_word_for_word(text: str, store: PartitionStore) -> None:
    conform(store, HARMLESS, text)
    judge_nothing_bad(store)
    keep(store, HARMLESS, text)
    assert told(store) == [("word for word", "first")]


@pytest.mark.parametrize("text", [f"un{DUCKS}", DUCKS.replace("eggs", "EGGS"), DUCKS[:40]])
def test_only_whole_words_as_they_were_written_are(text: str, store: PartitionStore) -> None:
    """Rather nothing than something that the rules would not call contaminated."""
    conform(store, text)
    judge_nothing_bad(store)
    keep(store, text)
    assert told(store) == []


def test_an_empty_day_is_clean(store: PartitionStore) -> None:
    conform(store)
    make(store, STAGE)
    keep(store)
    assert told(store) == []
