"""Laws of the oasst format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.formats.oasst import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE

Node = dict[str, Any]


def asked(text: str, *replies: Node, **other: Any) -> Node:
    return {"text": text, "role": "prompter", "replies": list(replies), **other}


def answered(text: str, *replies: Node, **other: Any) -> Node:
    return {"text": text, "role": "assistant", "replies": list(replies), **other}


def tree(root: Node, **other: Any) -> Node:
    return {"message_tree_id": "t1", "tree_state": "ready_for_export", "prompt": root, **other}


def path(root: Node) -> list[str]:
    return [message.content for message in conform(tree(root), HERE).messages]


def test_the_path_is_a_conversation_under_the_id_of_its_tree() -> None:
    found = conform(tree(asked("q", answered("a", asked("why?", answered("since"))))), HERE)
    turns = [("user", "q"), ("assistant", "a"), ("user", "why?"), ("assistant", "since")]
    assert found == Conversation([Message(*turn) for turn in turns], source_id="t1")


def test_the_lowest_rank_is_the_best_at_every_turn() -> None:
    best = answered("good", asked("b", answered("x"), rank=1), asked("a", answered("y"), rank=0), rank=0)
    assert path(asked("q", answered("bad", rank=2), best, answered("fair", rank=1))) == [
        "q",
        "good",
        "a",
        "y",
    ]


@pytest.mark.parametrize(
    ("ranks", "best"),
    [([None, None], 0), ([1, 1], 0), ([None, 5], 1), ([None, None, 0], 2), ([2, None, 1], 2)],
)
def test_of_equals_the_first_goes_on_and_the_unranked_come_last(ranks: list[int | None], best: int) -> None:
    replies = [answered(str(place), rank=rank) for place, rank in enumerate(ranks)]
    assert path(asked("q", *replies)) == ["q", str(best)]


@pytest.mark.parametrize("fault", [{"deleted": True}, {"review_result": False}])
def test_a_withdrawn_reply_is_passed_over_whatever_its_rank(fault: Node) -> None:
    assert path(asked("q", answered("bad", rank=0, **fault), answered("good", rank=7))) == ["q", "good"]


@pytest.mark.parametrize("review", [None, True])
def test_a_reply_whose_review_is_open_or_passed_goes_on(review: bool | None) -> None:
    assert path(asked("q", answered("a", review_result=review, deleted=False))) == ["q", "a"]


def test_a_last_question_without_an_answer_is_left_out() -> None:
    assert path(asked("q", answered("a", asked("and?", answered("no", deleted=True))))) == ["q", "a"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            tree(asked("q", answered("a")), tree_state="growing"),
            "not_ready_for_export: 'tree_state' is 'growing', expected 'ready_for_export'",
        ),
        (
            tree(asked("q", answered("a"), deleted=True)),
            "deleted_prompt: the tree's prompt was deleted, and every path begins with it",
        ),
        (
            tree(asked("q", answered("a"), review_result=False)),
            "rejected_prompt: the tree's prompt was rejected, and every path begins with it",
        ),
        (tree(asked("q")), "unanswered: the prompt has no reply that was neither deleted nor rejected"),
        (
            tree(asked("q", answered("a", deleted=True))),
            "unanswered: the prompt has no reply that was neither deleted nor rejected",
        ),
        ({"prompt": asked("q")}, "missing_field: 'tree_state' is missing; found ['prompt']"),
        (tree(None), "wrong_type: 'prompt' is a JSON null, expected an object"),  # type: ignore[arg-type]
        (tree(asked("q", "a")), "wrong_type: a reply is a JSON string, expected an object"),  # type: ignore[arg-type]
        (tree(asked("q", replies={})), "wrong_type: 'replies' is a JSON object, expected an array"),
        (tree(asked("q", answered("a", rank="x"))), "wrong_type: 'rank' is 'x', expected a finite number"),
        ([], "wrong_type: the record is a JSON array, expected an object"),
    ],
)
def test_each_fault_of_a_tree_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record, HERE)
    assert str(caught.value) == expected


marks = {
    "rank": st.none() | st.integers(0, 3),
    "deleted": st.booleans(),
    "review_result": st.sampled_from([None, True, False]),
}


def level(below: st.SearchStrategy[list[Node]], role: str) -> st.SearchStrategy[list[Node]]:
    node = st.fixed_dictionaries(
        {"text": st.uuids().map(str), "role": st.just(role), "replies": below, **marks}
    )
    return st.lists(node, max_size=3)


trees = level(level(level(st.just([]), "assistant"), "prompter"), "assistant")


@given(trees)
def test_no_reply_that_could_go_on_is_better_than_the_one_that_does(replies: list[Node]) -> None:
    """Walks the path down the tree: every step has the best rank of those that were not withdrawn."""
    if not any(map(goes_on, replies)):
        with pytest.raises(Rejected, match="unanswered"):
            path(asked("q", *replies))
        return
    for text in path(asked("q", *replies))[1:]:
        able = [reply for reply in replies if goes_on(reply)]
        [step] = [reply for reply in able if reply["text"] == text]
        assert all(order(step) <= order(other) for other in able)
        replies = step["replies"]


def goes_on(node: Node) -> bool:
    return not node["deleted"] and node["review_result"] is not False


def order(node: Node) -> tuple[bool, int]:
    return (node["rank"] is None, node["rank"] or 0)
