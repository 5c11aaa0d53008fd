"""Careful access to the fields of a parsed record, with reject reasons that name the field.

Belongs here: what several formats share. Does not: the shape of any one of them.
"""

from __future__ import annotations

import math
import re
from typing import Any

from medallion_assets.records import Rejected, canonical_json

ABSENT = object()
MAX_INT64 = 2**63 - 1

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "observation": "tool",
    "ipython": "tool",
}


def an_object(value: Any, what: str = "the record") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected("wrong_type", f"{what} is a JSON {json_type(value)}, expected an object")
    return value


def a_list(record: dict[str, Any], key: str) -> list[Any]:
    if key not in record:
        raise Rejected("missing_field", f"{key!r} is missing; found {sorted(record)}")
    value = record[key]
    if not isinstance(value, list):
        raise Rejected("wrong_type", f"{key!r} is a JSON {json_type(value)}, expected an array")
    return value


def text(record: dict[str, Any], *keys: str) -> str:
    """The first of these fields that is there; it must be a string."""
    for key in keys:
        if key in record:
            value = record[key]
            if not isinstance(value, str):
                raise Rejected("wrong_type", f"{key!r} is a JSON {json_type(value)}, expected a string")
            return value
    names = " or ".join(repr(key) for key in keys)
    raise Rejected("missing_field", f"{names} is missing; found {sorted(record)}")


def optional_text(record: dict[str, Any], *keys: str) -> str | None:
    """Like text(), but absent and null are None."""
    present = [key for key in keys if record.get(key) is not None]
    return text(record, present[0]) if present else None


def at(record: Any, path: str) -> Any:
    """The value at a dotted path, or ABSENT. A key that holds the dots goes first; digits index a list."""
    if isinstance(record, dict) and path in record:
        return record[path]
    head, dot, rest = path.partition(".")
    if isinstance(record, list) and head.isdecimal() and int(head) < len(record):
        inner = record[int(head)]
    elif dot and isinstance(record, dict) and head in record:
        inner = record[head]
    else:
        return ABSENT
    return at(inner, rest) if dot else inner


def json_or_text(value: Any) -> str | None:
    """A value of any shape as one text: a string as it is, null as None, the rest as JSON."""
    return value if value is None or isinstance(value, str) else canonical_json(value)


def number(value: Any, what: str) -> float | None:
    """A finite JSON number, boolean or number in text; null is None."""
    if value is None:
        return None
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (OverflowError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise Rejected("wrong_type", f"{what} is {value!r}, expected a finite number")
    return found


def whole(value: Any, what: str) -> int:
    """An index that a column of silver holds; it may stand as text or as a float."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,19}", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INT64:
        raise Rejected("wrong_type", f"{what} is {value!r}, expected a whole number from 0 to {MAX_INT64}")
    return value


def held(record: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key that must be there."""
    if key not in record:
        raise Rejected("missing_field", f"{key!r} is missing; found {sorted(record)}")
    return an_object(record[key], repr(key))


def own_id(record: dict[str, Any]) -> str | None:
    """The record's id in its source, where it has a plain one."""
    value = record.get("id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def role(name: Any) -> str:
    known = ROLES.get(name.lower()) if isinstance(name, str) else None
    if known is None:
        raise Rejected("unknown_role", f"role {name!r}; known: {', '.join(sorted(ROLES))}")
    return known


def json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
