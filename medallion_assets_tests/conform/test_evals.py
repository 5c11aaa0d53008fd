"""Laws of evaluation sets: every item with its texts, nothing lost, and the newest delivery of each file."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.evals import EvalStage, eval_batches, items_of
from medallion_assets.extract.inventory import LandingRules
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.records import Rejected
from medallion_assets.schemas import BRONZE
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import Build, PartitionStore
from medallion_assets_tests.conform.rows import bronze_row
from medallion_assets_tests.extract.test_inventory import arrive_on
from medallion_assets_tests.real_data import real_data

BBH = ("examples.input", "examples.target")
LONG_AGO = 1_700_000_000
DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
PARTS = [{"qs": [{"q": "1"}, {"q": "2"}]}, {"qs": []}, {"qs": [{"q": "3"}]}]
texts = st.text("ab", min_size=1, max_size=3)


@given(st.lists(st.tuples(texts, texts), min_size=1))
def test_a_list_of_objects_is_an_item_each(examples: list[tuple[str, str]]) -> None:
    record = {"canary": "c", "examples": [{"input": asked, "target": told} for asked, told in examples]}
    expected = [[("examples.input", asked), ("examples.target", told)] for asked, told in examples]
    assert items_of(record, BBH) == expected


@pytest.mark.parametrize(
    ("record", "paths", "expected"),
    [
        ({"q": "ask", "a": "tell"}, ("q", "a"), [[("q", "ask"), ("a", "tell")]]),
        ({"turns": ["one", "two"]}, ("turns",), [[("turns", "one\ntwo")]]),
        ({"turns": ["one", "two"]}, ("turns.1",), [[("turns.1", "two")]]),
        ({"a": {"b": {"c": "deep"}}}, ("a.b.c",), [[("a.b.c", "deep")]]),
        ({"a.b": "a key with a dot"}, ("a.b",), [[("a.b", "a key with a dot")]]),
        ({"Best Answer": " yes\r\n"}, ("Best Answer",), [[("Best Answer", "yes")]]),
        ({"n": 0, "t": False, "o": {"b": 1, "a": 2}}, ("n", "t", "o"),
         [[("n", "0"), ("t", "false"), ("o", '{"a":2,"b":1}')]]),
        ({"q": "ask", "a": None}, ("q", "a"), [[("q", "ask")]]),
        ({"q": " ", "a": []}, ("q", "a", "b"), [[]]),
        (
            {"do": "it", "tries": [{"in": "a"}, {"in": ""}, {"out": "c"}, "d"]},
            ("tries.in", "do", "tries.out"),
            [
                [("tries.in", "a"), ("do", "it")],
                [("do", "it")],
                [("do", "it"), ("tries.out", "c")],
                [("do", "it")],
            ],
        ),
        (
            {"data": [{"title": "t", "parts": PARTS}]},
            ("data.title", "data.parts.qs.q"),
            [[("data.title", "t"), ("data.parts.qs.q", f"{n}")] for n in (1, 2, 3)],
        ),
        (
            {"name": "n", "left": [{"x": "1"}, {"x": "2"}], "right": [{"y": "3"}]},
            ("left.x", "right.y", "name"),
            [
                [("left.x", "1"), ("name", "n")],
                [("left.x", "2"), ("name", "n")],
                [("right.y", "3"), ("name", "n")],
            ],
        ),
    ],
)  # fmt: skip
def test_items_have_the_texts_at_their_paths(record: Any, paths: tuple[str, ...], expected: Any) -> None:
    assert items_of(record, paths) == expected


@given(st.permutations(("id", "list.a", "list.b", "other.c")))
def test_texts_come_in_the_order_of_the_configuration(paths: list[str]) -> None:
    record = {"id": "i", "list": [{"a": "1", "b": "2"}], "other": [{"c": "3"}]}
    for item in items_of(record, paths):
        order = [path for path, _ in item]
        assert order == sorted(order, key=paths.index)


@pytest.mark.parametrize("record", [{"examples": []}, {"examples": [], "other": [{"x": "1"}]}])
def test_lists_without_elements_are_a_reject(record: Any) -> None:
    with pytest.raises(Rejected) as caught:
        items_of(record, BBH)
    assert caught.value.reason == "no_items"


@given(st.lists(st.lists(st.sampled_from(["ask", "", None]), max_size=4), max_size=5), st.integers(1, 3))
def test_every_item_of_every_record_is_a_row_or_named_in_a_reject(
    records: list[list[str | None]], batch_rows: int
) -> None:
    raw = [json.dumps({"examples": [{"input": text} for text in record]}) for record in records]
    bronze = BRONZE.table(bronze_row(line, number) for number, line in enumerate(raw, start=1))
    found, lost = [], []
    for rows, rejects in eval_batches(iter(bronze.to_batches(max_chunksize=batch_rows)), BBH):
        found += [(row["record_number"], row["item"]) for row in rows.to_pylist()]
        lost += [(row["record_number"], row["reason"], row["detail"]) for row in rejects.to_pylist()]
    expected = [(n, item) for n, r in enumerate(records, 1) for item, text in enumerate(r, 1) if text]
    assert found == expected
    silent = {n: [item for item, text in enumerate(r, 1) if not text] for n, r in enumerate(records, 1)}
    assert lost == [
        (n, "missing_field", f"items {items} hold no text at 'examples.input', 'examples.target'")
        if records[n - 1]
        else (n, "no_items", "the lists on the way of 'examples.input', 'examples.target' are empty")
        for n, items in silent.items()
        if items or not records[n - 1]
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("{cut", "invalid_json"), (b"\xff", "invalid_utf8"), ("[1]", "missing_field"), ("3", "missing_field")],
)
def test_a_record_that_holds_no_item_is_rejected_with_its_bytes(raw: str | bytes, reason: str) -> None:
    [(rows, rejects)] = eval_batches(iter(BRONZE.table([bronze_row(raw)]).to_batches()), BBH)
    [reject] = rejects.to_pylist()
    assert (rows.num_rows, reject["reason"]) == (0, reason)
    assert (reject["raw"] or reject["raw_bytes"]) == raw


class Feed:
    """An evaluation set that is delivered to a folder."""

    def __init__(self, root: Path, fields: tuple[str, ...] = ("q",)) -> None:
        self.store = PartitionStore(root / "data")
        self.landing = root / "landing"
        self.bronze = BronzeStage("eval_set", self.landing, LandingRules(numbered=True))
        self.stage = EvalStage(self.bronze.table, fields)

    def deliver(self, file: str, *questions: str) -> None:
        self.drop(file, "".join(json.dumps({"q": question}) + "\n" for question in questions).encode())

    def drop(self, file: str, content: bytes) -> None:
        path = self.landing / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))

    def run(self, day: str) -> None:
        """Bronze and the items of a day, and the later days that it makes stale."""
        self.store.append(self.bronze.table, day, self.bronze.build(self.store, day))
        for key in [day, *partitions_to_settle(self.stage, self.store, [day])]:
            self.build(key)

    def build(self, day: str) -> bool:
        made = self.stage.build(self.store, day)
        assert isinstance(made, Build)
        return self.store.overwrite(self.stage.table, day, made).changed

    def rows(self, day: str) -> list[dict[str, Any]]:
        return [row for batch in self.store.batches(self.stage.table, day) for row in batch.to_pylist()]

    def questions(self, day: str) -> list[str]:
        return [row["texts"][0]["text"] for row in self.rows(day)]


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def test_a_day_holds_the_whole_set_as_of_then(feed: Feed) -> None:
    for day, file, question in zip(DAYS, ("b", "a", "c"), ("1", "2", "3"), strict=True):
        feed.deliver(f"{day}/{file}.jsonl", question)
        feed.run(day)
    assert [feed.questions(day) for day in DAYS] == [["1"], ["2", "1"], ["2", "1", "3"]]


def test_of_a_file_delivered_again_on_one_day_the_last_delivery_counts(feed: Feed) -> None:
    for questions in ("1 2", "3", "4 5", "6"):
        feed.deliver(f"{DAYS[0]}/set.jsonl", *questions.split())
        feed.run(DAYS[0])
        assert feed.questions(DAYS[0]) == questions.split()
    kept = [row["raw"] for b in feed.store.batches(feed.bronze.table, DAYS[0]) for row in b.to_pylist()]
    assert sorted(kept) == [f'{{"q": "{n}"}}' for n in range(1, 7)]


def test_a_newer_day_overrules_only_from_then_on(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, questions in zip(DAYS, (("1", "2"), ("3",), ("4",)), strict=True):
        arrive_on(monkeypatch, date.fromisoformat(day))
        feed.deliver("set.jsonl", *questions)
        feed.run(day)
    assert [feed.questions(day) for day in DAYS] == [["1", "2"], ["3"], ["4"]]


@pytest.mark.parametrize("order", list(permutations(DAYS)))
def test_the_order_of_runs_changes_no_byte(order: tuple[str, ...], tmp_path: Path) -> None:
    sites = Feed(tmp_path / "ascending"), Feed(tmp_path / "other")
    for site, days in zip(sites, (DAYS, order), strict=True):
        for day, questions in zip(DAYS, ("1 2", "3", "4"), strict=True):
            site.deliver(f"{day}/set.jsonl", *questions.split())
        for day in days:
            site.run(day)
    made = [[site.store.manifest(site.stage.table, day) for day in DAYS] for site in sites]
    assert made[0] == made[1]
    assert all(made[0])


def test_how_often_someone_looked_does_not_show_in_bronze(tmp_path: Path) -> None:
    sites = Feed(tmp_path / "once"), Feed(tmp_path / "twice")
    for site in sites:
        for file in ("a.jsonl", "a_again.jsonl"):
            site.deliver(f"{DAYS[0]}/{file}", "1")
        if site is sites[1]:
            site.bronze.inventory(site.store)
        site.deliver(f"{DAYS[0]}/b.jsonl", "2")
        site.run(DAYS[0])
    assert len({str(site.store.manifest(site.bronze.table, DAYS[0])) for site in sites}) == 1


def test_a_file_in_a_later_date_folder_is_a_newer_delivery(feed: Feed) -> None:
    for day, question in zip(DAYS, "123", strict=True):
        feed.deliver(f"{day}/set.jsonl", question)
        feed.run(day)
    assert [feed.questions(day) for day in DAYS] == [["1"], ["2"], ["3"]]


def test_a_broken_delivery_does_not_switch_the_set_off(feed: Feed) -> None:
    feed.deliver(f"{DAYS[0]}/set.json", "1")
    feed.drop(f"{DAYS[1]}/set.json", b'[{"q": "2"}')
    for day in DAYS[:2]:
        feed.run(day)
    rejects = [r for b in feed.store.batches(feed.stage.table, DAYS[1], rejects=True) for r in b.to_pylist()]
    assert (feed.questions(DAYS[1]), [r["reason"] for r in rejects]) == (["1"], ["broken_json_array"])


def test_an_export_that_can_not_be_read_is_in_the_rejects(feed: Feed) -> None:
    feed.deliver(f"{DAYS[0]}/set.jsonl", "1")
    feed.drop(f"{DAYS[0]}/more.json", b'[{"q": "2"}')
    feed.run(DAYS[0])
    [reject] = [r for b in feed.store.batches(feed.stage.table, DAYS[0], rejects=True) for r in b.to_pylist()]
    assert (feed.questions(DAYS[0]), reject["stage"], reject["record_number"]) == (["1"], "extract", 0)


def test_building_again_changes_nothing_and_other_fields_do(feed: Feed) -> None:
    feed.deliver(f"{DAYS[0]}/set.jsonl", "1")
    feed.run(DAYS[0])
    assert not feed.build(DAYS[0])
    assert EvalStage(feed.bronze.table, ("a",)).config_version != feed.stage.config_version


SETS = {
    "evals/gsm8k_test.jsonl": (("question", "answer"), 1319),
    "evals/gsm8k_test_socratic.jsonl": (("question", "answer"), 1319),
    "evals/math500.jsonl": (("problem", "solution"), 500),
    "evals/math_test_5000.jsonl": (("problem", "solution"), 5000),
    "evals/aime24.jsonl": (("problem", "answer"), 30),
    "evals/mt_bench_question.jsonl": (("turns",), 80),
    "evals/vicuna_question_80.jsonl": (("text",), 80),
    "evals/HumanEval.jsonl.gz": (("prompt", "canonical_solution"), 164),
    "evals/TruthfulQA.csv": (("Question", "Best Answer"), 817),
    "evals/strategyqa_bigbench.json": (BBH, 2290),
    "evals/self_instruct_user_oriented_252.jsonl": (("instruction", "instances.input"), 252),
    "evals/aqua_test.jsonl": (("question", "options"), 254),
    "evals/alpaca_eval_davinci003_outputs.json": (("instruction", "output"), 805),
}


# Counted by themselves: rows with an empty output, instances with an empty input.
EMPTY_TEXTS = {
    "evals/alpaca_eval_davinci003_outputs.json": 2,
    "evals/self_instruct_user_oriented_252.jsonl": 44,
}


@pytest.mark.parametrize("name", SETS)
def test_real_sets_give_the_items_that_they_are_known_to_hold(name: str, tmp_path: Path) -> None:
    fields, count = SETS[name]
    feed = Feed(tmp_path, fields)
    land_real(feed, name)
    feed.run(DAYS[0])
    made = feed.store.manifest(feed.stage.table, DAYS[0])
    assert made is not None
    assert (made.rows, made.rejected_rows) == (count, 0)
    lacking = [len(fields) - len(row["texts"]) for row in feed.rows(DAYS[0])]
    assert sum(lacking) == EMPTY_TEXTS.get(name, 0)


def test_the_27_tasks_of_big_bench_hard_are_6511_items(tmp_path: Path) -> None:
    feed = Feed(tmp_path, BBH)
    for path in sorted(real_data("evals/bbh/snarks.json").parent.glob("*.json")):
        land_real(feed, f"evals/bbh/{path.name}")
    feed.run(DAYS[0])
    rows = feed.rows(DAYS[0])
    made = feed.store.manifest(feed.stage.table, DAYS[0])
    assert (len(rows), made and made.rejected_rows, len({row["file"] for row in rows})) == (6511, 0, 27)
    assert len(rows) - len({(row["file"], row["record_id"]) for row in rows}) == 2
    assert all([text["field"] for text in row["texts"]] == [*BBH] for row in rows)


def land_real(feed: Feed, name: str) -> None:
    path = feed.landing / DAYS[0] / Path(name).name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(real_data(name), path)
    os.utime(path, (LONG_AGO, LONG_AGO))
