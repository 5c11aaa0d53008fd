"""What every record shares: its JSON, its identity, and its rejection.

Belongs here: strict parsing, canonical text, content hashes. Does not: the shapes of the data units
(units.py).
"""

from __future__ import annotations

import hashlib
import json
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

    def untraced(self) -> Rejected:
        """The same, to be kept: a traceback holds all frames up to here, and all that is in them."""
        self.__traceback__ = None  # of which one may hold this
        return Rejected(self.reason, self.detail)


def parsed_json(text: str) -> Any:
    """The value; raises msgspec.DecodeError where there is none, RecursionError beyond MAX_JSON_DEPTH.

    Python's own limit moves with its version and with the caller's stack, and would be met again downstream.
    """
    value = msgspec.json.decode(text)
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        raise RecursionError(f"nested more than {MAX_JSON_DEPTH} deep")
    return value


def strict_json(text: str) -> Any:
    """The value of a record's text; what JSON leaves open is refused: raises Rejected with the reason."""
    try:
        value = parsed_json(text)
    except RecursionError as error:
        raise Rejected("too_deep", "the JSON is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise Rejected("invalid_json", str(error)) from error
    if not _has_all_keys(value, text):
        UNIQUE_KEYS.decode(text)  # msgspec would take the last of equal keys
    return value


def _has_all_keys(value: Any, text: str) -> bool:
    """Whether the text has no more keys than the value: a colon follows each, and others are within strings.

    Where one of those may be spelt as an escape, the answer is no. It costs a third of parsing again.
    """
    return text.count(":") == msgspec.json.encode(value).count(b":") and "\\u003" not in text


def _unique(pairs: list[tuple[str, Any]]) -> None:
    """Readers differ in which of two values they take, so neither is taken."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise Rejected("duplicate_key", f"an object has the key {repeated!r} more than once")


UNIQUE_KEYS = json.JSONDecoder(object_pairs_hook=_unique)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def canonical_json(value: Any) -> str:
    """One text per JSON value: sorted keys, no spaces."""
    return msgspec.json.encode(value, order="deterministic").decode()


def content_id(content: Any) -> str:
    """The hash that names a record: equal content has equal ids, whatever source it came from."""
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:RECORD_ID_HEX_DIGITS]
