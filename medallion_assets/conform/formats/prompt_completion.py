"""Prompt and completion: {"prompt", "completion", "tools"?}; both texts or, as in TRL, lists of messages."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)
# What trainers of base models wrote behind a completion; the chat template ends turns by itself.
END_MARKS = ("<|endoftext|>", "</s>", "<|im_end|>", "<eos>")


def conform(record: Any, delivery: Delivery) -> Conversation:
    row = fields.an_object(record)
    messages = _turns(row, "prompt", "user") + _turns(row, "completion", "assistant")
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))


def _turns(row: dict[str, Any], key: str, speaker: str) -> list[Message]:
    if isinstance(row.get(key), list):
        return turns.said(row[key], repr(key), by=speaker)
    text = fields.text(row, key)
    return [Message(speaker, _without_end_mark(text) if speaker == "assistant" else text)]


def _without_end_mark(completion: str) -> str:
    text = completion.rstrip()
    mark = next((mark for mark in END_MARKS if text.endswith(mark)), "")
    return text.removesuffix(mark) if mark else completion
