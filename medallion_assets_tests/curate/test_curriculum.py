"""Laws of the curriculum: pass rates as an independent count has them, and only what they say is dropped."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.curriculum import (
    CurriculumStage,
    PassRateRules,
    Rate,
    pass_rates,
    split_by_rate,
)
from medallion_assets.schemas import RL_PROMPTS
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.units import Message, RlPrompt, prompt_key
from medallion_assets_tests.curate.fingerprinted import put
from medallion_assets_tests.curate.rollouts import (
    DAYS,
    ROLLOUTS,
    build,
    numbered,
    part,
    rollout,
    stored,
)

PROMPTS = Table("silver", "rl_prompts", RL_PROMPTS)
RULES = PassRateRules(solved_at=1.0, min_attempts=2, drop_always_solved=True, drop_never_solved=True)
STAGE = CurriculumStage(PROMPTS, ROLLOUTS, RULES)
rates = st.integers(0, 6).flatmap(lambda n: st.builds(Rate, st.just(n), st.integers(0, n)))


def prompt(text: str) -> RlPrompt:
    return RlPrompt([Message("user", text)], ground_truth="5", verifier="gsm8k")


def key(text: str) -> str:
    return prompt_key([Message("user", text)])


def attempts(text: str, *rewards: float | None, step: int = 1, run: str = "run") -> list[Any]:
    return [rollout(n, reward, prompt=text, step=step, run=run) for n, reward in enumerate(rewards)]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from([0.0, 0.5, 1.0, 2.0, None]))),
    st.sampled_from([0.5, 1.0]),
    st.integers(1, 3),
)
@settings(max_examples=30)
def test_rates_are_an_independent_count(
    drawn: list[tuple[str | None, float | None]], solved_at: float, files: int
) -> None:
    rows = numbered([rollout(n, reward, prompt=text) for n, (text, reward) in enumerate(drawn)])
    counted = [(key(text), reward) for text, reward in drawn if text is not None and reward is not None]
    tried, solved = Counter(k for k, _ in counted), Counter(k for k, r in counted if r >= solved_at)
    with TemporaryDirectory() as folder:
        paths = [part(Path(folder), rows[start::files]) for start in range(files)]
        found = pass_rates(paths, solved_at=solved_at, scratch=Path(folder))
    assert found == {k: Rate(tried[k], solved[k]) for k in tried}


@given(rates, st.integers(1, 4), st.booleans(), st.booleans())
def test_a_prompt_is_dropped_only_for_what_the_configuration_names(
    rate: Rate, least: int, always: bool, never: bool
) -> None:
    verdict = PassRateRules(1.0, least, always, never).verdict(rate)
    judged = rate.attempts >= least
    assert (verdict == "always_solved") == (judged and always and rate.solved == rate.attempts)
    assert (verdict == "never_solved") == (judged and never and rate.solved == 0)
    assert verdict in (None, "always_solved", "never_solved")


@given(st.lists(rates, max_size=8))
def test_every_prompt_is_kept_with_its_rate_or_rejected(found: list[Rate]) -> None:
    rows = numbered([prompt(f"{n}") for n in range(len(found))])
    by_key = {key(f"{n}"): rate for n, rate in enumerate(found)}
    kept, lost = split_by_rate(RL_PROMPTS.table(rows), by_key, RULES)
    assert sorted(kept.column("record_number").to_pylist() + lost.column("record_number").to_pylist()) == [
        row["record_number"] for row in rows
    ]
    for row in kept.to_pylist():
        rate = by_key[row["prompt_key"]]
        share = rate.solved / rate.attempts if rate.attempts else None
        assert (row["attempts"], row["solved"], row["pass_rate"]) == (*rate, share)


def test_a_reject_tells_how_often_the_prompt_was_solved() -> None:
    [row] = numbered([prompt("ask")])
    _, rejects = split_by_rate(RL_PROMPTS.table([row]), {key("ask"): Rate(3, 3)}, RULES)
    [reject] = rejects.to_pylist()
    shown = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
    assert {name: value for name, value in reject.items() if value is not None} == {
        **{name: row[name] for name in shown},
        "stage": "policy",
        "reason": "always_solved",
        "detail": "3 of 3 rollouts solved it",
    }


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def test_a_day_has_all_prompts_so_far_and_the_rollouts_of_earlier_days_only(store: PartitionStore) -> None:
    put(store, PROMPTS, DAYS[0], numbered([prompt("hard"), prompt("easy")]))
    put(store, PROMPTS, DAYS[1], numbered([prompt("new")], DAYS[1]))
    put(store, ROLLOUTS, DAYS[0], numbered(attempts("hard", 0.0, 1.0) + attempts("easy", 1.0)))
    put(
        store,
        ROLLOUTS,
        DAYS[1],
        numbered(attempts("easy", 1.0, step=2) + attempts("hard", None, step=2), DAYS[1]),
    )
    for day in DAYS[:3]:
        build(store, STAGE, day)
    texts = [
        {
            row["prompt"][0]["content"]: (row["attempts"], row["solved"])
            for row in stored(store, STAGE.table, day)
        }
        for day in DAYS[:3]
    ]
    assert texts == [
        {"hard": (0, 0), "easy": (0, 0)},
        {"hard": (2, 1), "easy": (1, 1), "new": (0, 0)},
        {"hard": (2, 1), "new": (0, 0)},
    ]
    assert [row["reason"] for row in stored(store, STAGE.table, DAYS[2], rejects=True)] == ["always_solved"]


def test_rollouts_are_due_on_the_day_after(store: PartitionStore) -> None:
    put(store, PROMPTS, DAYS[0], numbered([prompt("ask")]))
    put(store, ROLLOUTS, DAYS[2], numbered(attempts("ask", 1.0), DAYS[2]))
    assert STAGE.due(store) == {DAYS[0], DAYS[3]}


@pytest.mark.parametrize(("table", "stale"), [(PROMPTS, DAYS[2:]), (ROLLOUTS, DAYS[3:])])
def test_a_late_landing_makes_stale_exactly_the_days_that_it_counts_for(
    store: PartitionStore, table: Table, stale: tuple[str, ...]
) -> None:
    for day in (DAYS[0], DAYS[1], DAYS[3]):
        put(store, PROMPTS, day, numbered([prompt(day)], day))
        put(store, ROLLOUTS, day, numbered(attempts(day, 1.0), day))
    for day in DAYS:
        build(store, STAGE, day)
    late = [prompt("late")] if table is PROMPTS else attempts(DAYS[0], 0.0, step=9)
    put(store, table, DAYS[2], numbered(late, DAYS[2]))
    assert partitions_to_settle(STAGE, store, [DAYS[1]]) == [*stale]


def test_empty_days_make_nothing_stale(store: PartitionStore) -> None:
    put(store, PROMPTS, DAYS[1], numbered([prompt("ask")], DAYS[1]))
    build(store, STAGE, DAYS[2])
    for table, day in product((PROMPTS, ROLLOUTS), (DAYS[0], DAYS[2])):
        put(store, table, day, [])
    assert not build(store, STAGE, DAYS[2])


def test_each_rule_is_part_of_the_configuration() -> None:
    rules = [
        PassRateRules(1.0, 2, drop_always_solved=True, drop_never_solved=True),
        PassRateRules(0.5, 2, drop_always_solved=True, drop_never_solved=True),
        PassRateRules(1.0, 3, drop_always_solved=True, drop_never_solved=True),
        PassRateRules(1.0, 2, drop_always_solved=False, drop_never_solved=True),
        PassRateRules(1.0, 2, drop_always_solved=True, drop_never_solved=False),
    ]
    assert len({CurriculumStage(PROMPTS, ROLLOUTS, each).config_version for each in rules}) == len(rules)
