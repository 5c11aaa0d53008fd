"""Laws of the stages: every day is held against the newest sets, and changes only where verdicts do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.curate.decontaminate.rules import Rules
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.records import content_id
from medallion_assets.schemas import EVAL_ITEMS, RL_PROMPTS
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table
from medallion_assets.units import Message, RlPrompt
from medallion_assets_tests.curate.rollouts import DAYS, build, landed, stored

FIRST, SECOND = Table("silver", "eval_first", EVAL_ITEMS), Table("silver", "eval_second", EVAL_ITEMS)
HUMAN, WEB = (Table("silver", f"{name}_conformed", RL_PROMPTS) for name in ("human", "web"))
INDEX = EvalIndexStage((("first", FIRST, ("q", "a")), ("second", SECOND, ("q",))), Rules())
STAGE = ContaminationStage("rl_prompts", (("human", HUMAN), ("web", WEB)), INDEX.table, Rules())
DUCKS = "How many eggs do the sixteen ducks of Janet lay each day of the week?"
ROBES = "A robe takes two bolts of blue fiber and half that much white fiber."


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def put(store: PartitionStore, table: Table, day: str, rows: Sequence[dict[str, Any]]) -> None:
    def write(writer: PartitionWriter) -> None:
        writer.rows(table.schema.table(rows))

    store.overwrite(table, day, Build(lambda: Digests(digest_of(str(rows)), "", ""), write))


def put_items(store: PartitionStore, table: Table, day: str, texts: Sequence[str], field: str = "q") -> None:
    rows = [
        {
            "record_id": content_id(text),
            "source": table.name,
            "landing_date": date.fromisoformat(day),
            "export_sha256": "e" * 64,
            "record_number": number,
            "line": number,
            "file": "items.jsonl",
            "item": 1,
            "texts": [{"field": field, "text": text}],
        }
        for number, text in enumerate(texts, start=1)
    ]
    put(store, table, day, rows)


def put_prompts(store: PartitionStore, table: Table, day: str, texts: Sequence[str]) -> None:
    source = table.name.removesuffix("_conformed")
    prompts = [RlPrompt([Message("user", text)]) for text in texts]
    put(
        store,
        table,
        day,
        [landed(prompt, number, day, source=source) for number, prompt in enumerate(prompts, 1)],
    )


def shown(store: PartitionStore, day: str) -> list[tuple[str, int, str]]:
    return [(row["source"], row["row"], row["eval_set"]) for row in stored(store, STAGE.table, day)]


def summary(store: PartitionStore, stage: EvalIndexStage | ContaminationStage, day: str) -> dict[str, Any]:
    manifest = store.manifest(stage.table, day)
    assert manifest is not None
    return dict(manifest.summary)


def content(store: PartitionStore, day: str) -> str:
    manifest = store.manifest(STAGE.table, day)
    assert manifest is not None
    return manifest.content_hash


def test_the_index_of_a_day_has_each_set_as_it_stood(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[0], [DUCKS])
    put_items(store, SECOND, DAYS[1], [ROBES])
    put_items(store, FIRST, DAYS[2], [ROBES, "Why?"])
    assert INDEX.due(store) == set(DAYS[:3])
    for day in DAYS:
        build(store, INDEX, day)
    assert [[(row["eval_set"], row["text"]) for row in stored(store, INDEX.table, day)] for day in DAYS] == [
        [("first", DUCKS)],
        [("first", DUCKS), ("second", ROBES)],
        [("first", ROBES), ("first", "Why?"), ("second", ROBES)],
        [("first", ROBES), ("first", "Why?"), ("second", ROBES)],
    ]
    assert summary(store, INDEX, DAYS[2]) == {
        "by_eval_set": {
            "first": {"items": 2, "texts": 2, "unmatchable_texts": 1},
            "second": {"items": 1, "texts": 1, "unmatchable_texts": 0},
        }
    }


def test_a_late_delivery_of_a_set_makes_the_later_indexes_stale(store: PartitionStore) -> None:
    for day in (DAYS[0], DAYS[2]):
        put_items(store, FIRST, day, [DUCKS])
        build(store, INDEX, day)
    put_items(store, SECOND, DAYS[1], [ROBES])
    assert partitions_to_settle(INDEX, store, [DAYS[1]]) == [DAYS[2]]


def test_every_day_is_held_against_the_newest_index(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[0], ["Nobody asks for this one in all these many days."])
    put_prompts(store, HUMAN, DAYS[0], ["Hello!", DUCKS])
    put_prompts(store, WEB, DAYS[0], [f"{ROBES} {DUCKS}", ROBES])
    put_prompts(store, WEB, DAYS[1], ["Hello!"])
    assert STAGE.due(store) == set(DAYS[:2])
    build(store, INDEX, DAYS[0])
    for day in DAYS[:2]:
        build(store, STAGE, day)
    assert [shown(store, day) for day in DAYS[:2]] == [[], []]
    put_items(store, FIRST, DAYS[3], [DUCKS])
    put_items(store, SECOND, DAYS[3], [ROBES])
    build(store, INDEX, DAYS[3])
    assert partitions_to_settle(STAGE, store, [DAYS[3]]) == list(DAYS[:2])
    for day in DAYS[:2]:
        build(store, STAGE, day)
    assert shown(store, DAYS[0]) == [
        ("human", 1, "first"),
        ("web", 0, "first"),
        ("web", 0, "second"),
        ("web", 1, "second"),
    ]
    assert summary(store, STAGE, DAYS[0]) == {"contaminated": 3, "by_eval_set": {"first": 2, "second": 2}}
    assert shown(store, DAYS[1]) == []


def test_only_days_whose_verdicts_change_change(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[0], [DUCKS])
    build(store, INDEX, DAYS[0])
    for day, text in zip(DAYS[:3], (DUCKS, ROBES, "Hello!"), strict=True):
        put_prompts(store, HUMAN, day, [text])
        build(store, STAGE, day)
    before = [content(store, day) for day in DAYS[:3]]
    put_items(store, SECOND, DAYS[1], [ROBES])
    build(store, INDEX, DAYS[1])
    rebuilt = [build(store, STAGE, day) for day in DAYS[:3]]
    after = [content(store, day) for day in DAYS[:3]]
    assert rebuilt == [True, True, True]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_an_index_of_an_earlier_day_makes_nothing_stale(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[1], [DUCKS])
    build(store, INDEX, DAYS[1])
    put_prompts(store, HUMAN, DAYS[2], [DUCKS])
    build(store, STAGE, DAYS[2])
    put_items(store, FIRST, DAYS[0], [ROBES])
    build(store, INDEX, DAYS[0])
    assert partitions_to_settle(STAGE, store, [DAYS[0]]) == []
    assert not build(store, STAGE, DAYS[2])


def test_another_day_of_records_makes_nothing_stale(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[0], [DUCKS])
    build(store, INDEX, DAYS[0])
    put_prompts(store, HUMAN, DAYS[2], [DUCKS])
    build(store, STAGE, DAYS[2])
    put_prompts(store, HUMAN, DAYS[1], [DUCKS])
    assert partitions_to_settle(STAGE, store, [DAYS[1]]) == []


def test_rows_are_places_in_the_whole_partition(store: PartitionStore) -> None:
    put_items(store, FIRST, DAYS[0], [DUCKS])
    build(store, INDEX, DAYS[0])
    texts = [DUCKS if number % 1000 == 999 else f"Hello {number}!" for number in range(5000)]
    put_prompts(store, WEB, DAYS[0], texts)
    build(store, STAGE, DAYS[0])
    assert shown(store, DAYS[0]) == [("web", number, "first") for number in range(999, 5000, 1000)]


def test_without_any_set_nothing_is_contaminated(store: PartitionStore) -> None:
    put_prompts(store, HUMAN, DAYS[0], [DUCKS])
    assert build(store, STAGE, DAYS[0])
    assert shown(store, DAYS[0]) == []


def test_each_rule_is_part_of_the_configuration() -> None:
    rules = [
        Rules(),
        Rules("any_match", ngram=8),
        Rules(ngram=9),
        Rules(min_coverage=0.6),
        Rules(boilerplate_items=9),
    ]
    stages = [ContaminationStage("rl_prompts", (), INDEX.table, each) for each in rules]
    assert len({stage.config_version for stage in stages}) == len(rules)


def test_the_index_depends_on_what_shapes_it_alone() -> None:
    def version(question: str, rules: Rules) -> str:
        return EvalIndexStage((("first", FIRST, (question, "a")),), rules).config_version

    same = {version("q", Rules()), version("q", Rules(min_coverage=0.6)), version("q", Rules(ngram=8))}
    other = {
        version("question", Rules()),
        version("q", Rules("any_match")),
        version("q", Rules(boilerplate_items=9)),
    }
    assert len(same) == 1
    assert len(same | other) == 4
