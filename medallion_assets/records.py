"""The conformed record of each data unit, its rejection, and its identity.

Belongs here: the in-memory shapes that formats return and the hash that names them. Does not: any
source's own shape (conform/formats/) or judgement of content (curate/).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

RECORD_ID_HEX_DIGITS = 32
MAX_JSON_DEPTH = 100
# A detail quotes what was found, and what was found may be a whole file.
MAX_DETAIL_CHARACTERS = 500


class Rejected(Exception):
    """A record that can't go on: a reason code, and what exactly was found."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail[:MAX_DETAIL_CHARACTERS]
        super().__init__(f"{reason}: {detail}")


@dataclass(slots=True)
class Message:
    """One turn. `tool_calls` is JSON text; `train` is false for assistant turns that are context only."""

    role: str
    content: str
    reasoning_content: str | None = None
    tool_calls: str | None = None
    tool_call_id: str | None = None
    name: str | None = None
    train: bool = True

    def as_row(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "content": self.content,
            "reasoning_content": self.reasoning_content,
            "tool_calls": self.tool_calls,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "train": self.train and self.role == "assistant",
        }


@dataclass(slots=True)
class Conversation:
    """An SFT record."""

    messages: list[Message] = field(default_factory=list)
    tools: str | None = None
    source_id: str | None = None


def parsed_json(text: str) -> Any:
    """The value; raises msgspec.DecodeError where there is none, RecursionError beyond MAX_JSON_DEPTH.

    Python's own limit moves with its version and with the caller's stack, and would be met again downstream.
    """
    value = msgspec.json.decode(text)
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        raise RecursionError(f"nested more than {MAX_JSON_DEPTH} deep")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def canonical_json(value: Any) -> str:
    """One text per JSON value: sorted keys, no spaces."""
    return msgspec.json.encode(value, order="deterministic").decode()


def record_id(rows: list[dict[str, Any]], tools: str | None) -> str:
    """The content hash of a conversation: equal content has equal ids, whatever source it came from."""
    content = msgspec.json.encode([rows, tools], order="deterministic")
    return hashlib.sha256(content).hexdigest()[:RECORD_ID_HEX_DIGITS]
