"""OpenAssistant: {"message_tree_id", "tree_state", "prompt": {"text", "role", "replies": [{"rank"…}, …]}}."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)
EXPORTABLE = "ready_for_export"


def conform(record: Any, delivery: Delivery) -> Conversation:
    """The best path of the tree: the best reply to the prompt, the best reply to that, and so on."""
    tree = fields.an_object(record)
    state = fields.text(tree, "tree_state")
    if state != EXPORTABLE:
        raise Rejected("not_ready_for_export", f"'tree_state' is {state!r}, expected {EXPORTABLE!r}")
    root = fields.an_object(tree.get("prompt"), "'prompt'")
    if fault := _withdrawn(root):
        raise Rejected(f"{fault}_prompt", f"the tree's prompt was {fault}, and every path begins with it")
    messages = [
        Message(fields.role(node.get("role")), fields.text(node, "text")) for node in _best_path(root)
    ]
    while messages and messages[-1].role != "assistant":
        messages.pop()
    if not messages:
        raise Rejected("unanswered", "the prompt has no reply that was neither deleted nor rejected")
    return Conversation(messages, source_id=fields.optional_text(tree, "message_tree_id"))


def _best_path(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    while replies := [reply for reply in _replies(node) if not _withdrawn(reply)]:
        node = min(replies, key=_rank)  # of equals, the first
        yield node


def _replies(node: dict[str, Any]) -> list[dict[str, Any]]:
    if node.get("replies") is None:
        return []
    return [fields.an_object(reply, "a reply") for reply in fields.a_list(node, "replies")]


def _withdrawn(node: dict[str, Any]) -> str | None:
    """Why a message is no part of any path. A review that is still open does not withdraw it."""
    if node.get("deleted") is True:
        return "deleted"
    return "rejected" if node.get("review_result") is False else None


def _rank(node: dict[str, Any]) -> float:
    """Replies that nobody ranked come last."""
    rank = fields.number(node.get("rank"), "'rank'")
    return float("inf") if rank is None else rank
