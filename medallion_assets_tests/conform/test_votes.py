"""Laws of judgements: votes and scores to one pair."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.votes import by_scores, field_problems, judged, meaning, needed
from medallion_assets.records import Rejected

VOTES = st.lists(st.sampled_from(["first", "second", "tie"]), max_size=7)
OPTIONS = st.builds(
    Options, ties=st.sampled_from(["reject", "keep"]), annotators=st.sampled_from(["majority", "unanimous"])
)
SWAPPED = {"first": "second", "second": "first", "tie": "tie"}
F, S, T = "first", "second", "tie"


def outcome(votes: list[str], options: Options, first: str = "a", second: str = "b") -> Any:
    """What is judged, or the reason why nothing is."""
    try:
        return tuple(judged(first, second, votes, options))
    except Rejected as reject:
        return reject.reason


@pytest.mark.parametrize(
    ("votes", "majority", "kept", "unanimous"),
    [
        ([], "unanswered", "unanswered", "unanswered"),
        ([F], ("a", "b", 1.0, 1), ("a", "b", 1.0, 1), ("a", "b", 1.0, 1)),
        ([S, S], ("b", "a", 1.0, 2), ("b", "a", 1.0, 2), ("b", "a", 1.0, 2)),
        ([S, F, S, S], ("b", "a", 0.5, 4), ("b", "a", 0.5, 4), "disagreement"),
        ([F, T, F, S], ("a", "b", 0.25, 4), ("a", "b", 0.25, 4), "disagreement"),
        ([T, T], "tie", ("a", "b", 0.0, 2), "tie"),
        ([T, S, T], "tie", ("a", "b", 0.0, 3), "disagreement"),
        ([F, S], "disagreement", ("a", "b", 0.0, 2), "disagreement"),
        ([S, T], "disagreement", ("a", "b", 0.0, 2), "disagreement"),
    ],
)
def test_votes_come_to_one_judgement(votes: list[str], majority: Any, kept: Any, unanimous: Any) -> None:
    options = (Options(), Options(ties="keep"), Options(annotators="unanimous"))
    assert [outcome(votes, each) for each in options] == [majority, kept, unanimous]


def test_a_unanimous_tie_is_kept_where_ties_are() -> None:
    assert outcome([T, T], Options(ties="keep", annotators="unanimous")) == ("a", "b", 0.0, 2)


@given(VOTES, OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_votes_does_not_matter(votes: list[str], options: Options, random: Any) -> None:
    shuffled = random.sample(votes, len(votes))
    assert outcome(votes, options) == outcome(shuffled, options)


@given(VOTES, OPTIONS)
def test_naming_the_sides_the_other_way_round_changes_only_kept_ties(
    votes: list[str], options: Options
) -> None:
    here = outcome(votes, options)
    there = outcome([SWAPPED[vote] for vote in votes], options, first="b", second="a")
    if here != there:
        assert (here, there) == (("a", "b", 0.0, len(votes)), ("b", "a", 0.0, len(votes)))


@given(VOTES, OPTIONS)
def test_the_chosen_side_has_the_most_votes(votes: list[str], options: Options) -> None:
    found = outcome(votes, options)
    if isinstance(found, tuple) and found[2] > 0:
        counts = Counter({"a": votes.count(F), "b": votes.count(S), "tie": votes.count(T)})
        assert counts.most_common(1)[0] == (found[0], max(counts.values()))


def test_a_disagreement_tells_its_votes() -> None:
    with pytest.raises(Rejected, match="disagreement: the votes 1 first, 2 second, 2 tie"):
        judged("a", "b", [S, T, F, T, S], Options())


@pytest.mark.parametrize(
    ("answer", "expected"), [("A wins", F), (2, S), (True, T), (None, None), ("a wins", None), ([1], None)]
)
def test_an_answer_means_what_the_source_says(answer: Any, expected: str | None) -> None:
    options = Options(votes={"A wins": F, "2": S, "true": T})
    if expected is not None:
        assert meaning(answer, options) == expected
        return
    with pytest.raises(Rejected, match=r"unknown_label: .* is no vote; known: 2, A wins, true"):
        meaning(answer, options)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1, 3, 2], ("b", "a", 3, 1, 2)),
        ([2, 2, 1, 1], ("a", "d", 2, 1, 1)),
        ([None, 1, 2.5], ("c", "b", 2.5, 1, 1.5)),
        ([0, 0], ("a", "b", 0, 0, 0)),
    ],
)
def test_the_best_score_is_set_against_the_worst(scores: list[float | None], expected: Any) -> None:
    assert by_scores("abcd"[: len(scores)], scores, Options(ties="keep")) == expected


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1, 1, 1], "tie: 3 answers have the score 1"),
        ([1, None, None], "too_few_answers: 1 of 3 answers have a score, expected 2"),
        ([1, 2], "unequal_lengths: 2 scores for 3 answers"),
    ],
)
def test_scores_that_decide_nothing_are_told(scores: list[float | None], expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        by_scores("abc", scores, Options())
    assert str(caught.value) == expected


def test_a_named_path_is_the_only_place_to_look() -> None:
    row = {"usual": 1, "deep": {"er": 2}}
    assert needed(row, "first", Options(fields={"first": ("deep.er",)}), "usual") == 2
    assert needed(row, "first", Options(), "absent", "usual") == 1
    with pytest.raises(Rejected, match="missing_field: 'gone' is missing; found"):
        needed(row, "first", Options(fields={"first": ("gone",)}), "usual")


def test_every_problem_of_the_names_is_told() -> None:
    options = Options(fields={"prompt": ("a", "b"), "promt": ("c",)})
    assert list(field_problems(options, ("prompt", "first"), required=("prompt", "first"))) == [
        "`fields` has 'promt', which this format does not read; allowed: prompt, first",
        "`fields` lacks 'first'; needed: prompt, first",
        "`fields` has 2 paths for 'prompt', expected one",
    ]
