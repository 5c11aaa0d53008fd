"""Laws of what is harvested from rollouts, against a plain computation of best and worst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate import harvest
from medallion_assets.curate.harvest import Harvested, preferences, rejection_samples
from medallion_assets.storage.duck import connect
from medallion_assets.units import Conversation, Message, Preference, Rollout
from medallion_assets_tests.curate.rollouts import Row, numbered, part, rollout

Group = tuple[Any, ...]


@st.composite
def drawn(draw: st.DrawFn) -> list[Rollout]:
    """Few prompts, steps, runs, groups and rewards, so that groups are large and ties are many."""
    described = st.tuples(
        st.sampled_from([0.0, 0.0, 0.5, 1.0, None]),
        st.sampled_from(["ask", "ask", "beg", None]),
        st.sampled_from(["run", "walk"]),
        st.integers(1, 2),
        st.sampled_from([None, "g"]),
    )
    return [
        rollout(sample, reward, prompt=prompt, run=run, step=step, group=group)
        for sample, (reward, prompt, run, step, group) in enumerate(draw(st.lists(described, max_size=14)))
    ]


def groups_of(records: Sequence[Rollout]) -> dict[Group, list[Rollout]]:
    """The samples that can be compared: of one run, step, group and prompt."""
    groups: dict[Group, list[Rollout]] = {}
    for record in records:
        if record.reward is not None and record.prompt is not None:
            key = (record.run, record.step, record.group or "", record.prompt[0].content)
            groups.setdefault(key, []).append(record)
    return groups


def pairs_of(rows: Sequence[Row], *, least: float = 0.5, files: int = 1) -> list[Harvested]:
    with TemporaryDirectory() as name:
        paths = [part(Path(name), rows[start::files]) for start in range(files)]
        return [*preferences(paths, min_margin=least, scratch=Path(name))]


def samples_of(rows: Sequence[Row], *, least: float) -> list[Harvested]:
    with TemporaryDirectory() as name:
        return [*rejection_samples([part(Path(name), rows)], min_reward=least, scratch=Path(name))]


def names(record: Preference) -> tuple[str, str]:
    """Answers are told apart by their sample."""
    assert record.chosen is not None
    assert record.rejected is not None
    return record.chosen[0].content, record.rejected[0].content


@given(drawn(), st.sampled_from([0.5, 1.0]))
@settings(max_examples=25)
def test_each_group_that_differs_enough_yields_its_best_against_its_worst(
    records: list[Rollout], least: float
) -> None:
    expected = set()
    for group in groups_of(records).values():
        best = max(group, key=lambda each: (each.reward, -each.sample))
        worst = min(group, key=lambda each: (each.reward, each.sample))
        if (best.reward or 0) - (worst.reward or 0) >= least:
            expected.add((best.completion, worst.completion))
    pairs = pairs_of(numbered(records), least=least)
    found = [names(record) for _, record in pairs if isinstance(record, Preference)]
    assert (set(found), len(found)) == (expected, len(expected))


@given(drawn(), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=25)
def test_each_group_that_earned_enough_yields_its_best_answer(records: list[Rollout], least: float) -> None:
    best = [max(group, key=lambda each: (each.reward, -each.sample)) for group in groups_of(records).values()]
    expected = sorted(each.completion or "" for each in best if (each.reward or 0) >= least)
    samples = samples_of(numbered(records), least=least)
    assert sorted(r.messages[-1].content for _, r in samples if isinstance(r, Conversation)) == expected


@given(drawn(), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_neither_order_nor_files_matter(records: list[Rollout], files: int, order: Any) -> None:
    rows = numbered(records)
    expected = pairs_of(rows)
    order.shuffle(rows)
    assert pairs_of(rows, files=files) == expected


@given(drawn())
@settings(max_examples=15)
def test_a_pair_never_mixes_prompts_steps_runs_or_groups(records: list[Rollout]) -> None:
    by_answer = {record.completion: record for record in records}
    for row, pair in pairs_of(numbered(records)):
        assert isinstance(pair, Preference)
        chosen, rejected = (by_answer[name] for name in names(pair))
        shared = [(each.run, each.step, each.group, each.prompt) for each in (chosen, rejected)]
        assert shared[0] == shared[1]
        assert [m.content for m in pair.prompt] == [m.content for m in chosen.prompt or []]
        assert (pair.chosen_score, pair.rejected_score) == (chosen.reward, rejected.reward)
        assert row["record_id"] == chosen.as_row()["record_id"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_ties_do_not_depend_on_threads(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of ties over many row groups, which threads take in any order."""

    @contextmanager
    def threaded(scratch: Path) -> Iterator[Any]:
        with connect(scratch) as duck:
            duck.execute(f"SET threads = {threads}")
            yield duck

    records = [rollout(n, float(n % 2), step=n % 7, prompt=f"ask {n % 3}") for n in range(6000)]
    path = part(tmp_path, numbered(records)[::-1])
    monkeypatch.setattr(harvest, "connect", threaded)
    pairs = [record for _, record in preferences([path], min_margin=1.0, scratch=tmp_path)]
    expected = [
        (f"answer {next(n for n in range(1, 6000, 2) if (n % 7, n % 3) == group)}",
         f"answer {next(n for n in range(0, 6000, 2) if (n % 7, n % 3) == group)}")
        for group in {(n % 7, n % 3) for n in range(21)}
    ]  # fmt: skip
    assert sorted(names(record) for record in pairs) == sorted(expected)


def test_a_pair_holds_all_that_is_known_of_it(tmp_path: Path) -> None:
    good, bad = rollout(4, 1.0, answer="yes"), rollout(2, 0.25, answer="no")
    [(row, pair)] = preferences([part(tmp_path, numbered([bad, good]))], min_margin=0.75, scratch=tmp_path)
    ids = [each.as_row()["record_id"] for each in (good, bad)]
    assert pair == Preference(
        prompt=[Message("user", "ask", train=False)],
        chosen=[Message("assistant", "yes")],
        rejected=[Message("assistant", "no")],
        chosen_score=1.0,
        rejected_score=0.25,
        margin=0.75,
        source_id="/".join(ids),
    )
    assert (row["export_sha256"], row["record_number"], row["line"]) == ("e" * 64, 2, 2)


def test_a_sample_is_its_conversation_and_only_its_answer_is_learned(tmp_path: Path) -> None:
    turns = [Message("user", "hi"), Message("assistant", "ho", tool_calls="[]"), Message("user", "ask")]
    drawn = rollout(1, 1.0)
    drawn.prompt = turns
    [(_, record)] = rejection_samples([part(tmp_path, numbered([drawn]))], min_reward=1.0, scratch=tmp_path)
    assert isinstance(record, Conversation)
    assert [(m.role, m.content, m.tool_calls) for m in record.messages] == [
        *((m.role, m.content, m.tool_calls) for m in turns),
        ("assistant", "answer 1", None),
    ]
    assert [row["train"] for row in record.as_row()["messages"]] == [False, False, False, True]
    assert record.source_id == drawn.as_row()["record_id"]


@pytest.mark.parametrize("lacking", ["completion", "reward", "prompt"])
def test_what_lacks_a_text_or_a_reward_is_not_compared(lacking: str, tmp_path: Path) -> None:
    records = [rollout(0, 0.0), rollout(1, 1.0)]
    setattr(records[1], lacking, None)
    records[1].token_ids = [1]
    assert [*preferences([part(tmp_path, numbered(records))], min_margin=0.5, scratch=tmp_path)] == []


def test_without_files_there_is_nothing_to_harvest(tmp_path: Path) -> None:
    assert [*preferences([], min_margin=0.5, scratch=tmp_path)] == []
    assert [*rejection_samples([], min_reward=0.5, scratch=tmp_path)] == []
