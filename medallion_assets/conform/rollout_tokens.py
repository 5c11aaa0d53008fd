"""The arrays of a rollout log: token ids, masks, log-probabilities, and the numbers beside them.

Belongs here: types and ranges that silver's columns hold. Does not: whether lengths agree (curate/gates/) or
where a trainer keeps its arrays (formats/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from medallion_assets.conform import fields
from medallion_assets.records import Rejected

MAX_TOKEN_ID = 2**31 - 1
MAX_FLOAT32 = 3.4028234663852886e38
Floats = list[float | None]


def token_ids(row: dict[str, Any], key: str) -> list[int]:
    ids = fields.a_list(row, key)
    if not _are(ids, {int}) or min(ids, default=0) < 0 or max(ids, default=0) > MAX_TOKEN_ID:
        raise _first_fault(ids, key, _is_token_id, f"a token id, 0 to {MAX_TOKEN_ID}")
    return ids


def mask(row: dict[str, Any], key: str) -> list[int]:
    """Of 0 and 1, false and true, or their floats."""
    marks = fields.a_list(row, key)
    if not _are(marks, {int, bool, float}) or not {0, 1}.issuperset(marks):
        raise _first_fault(marks, key, _is_mark, "0 or 1")
    return [int(mark) for mark in marks]


def logprobs(row: dict[str, Any], key: str) -> Floats | None:
    """One a token, None for a token without one; None altogether where the log has none."""
    if row.get(key) is None:
        return None
    values = fields.a_list(row, key)
    given = [value for value in values if value is not None]
    if not _are(given, {int, float}) or max(map(abs, given), default=0) > MAX_FLOAT32:
        raise _first_fault(values, key, _is_logprob, "a number of float32, or null")
    return [None if value is None else float(value) for value in values]


def drawn(values: Floats | None, marks: Sequence[int]) -> Floats | None:
    """The log-probabilities of what the policy wrote, 0 elsewhere; unequal lengths are left to their gate."""
    if values is None or len(values) != len(marks):
        return values
    return [value if mark else 0.0 for value, mark in zip(values, marks, strict=True)]


def prompt_ids(ids: Sequence[int], marks: Sequence[int]) -> Sequence[int]:
    """What stands before the first token that the policy wrote."""
    return ids[: marks.index(1)] if 1 in marks else ids


def one_advantage(row: dict[str, Any], key: str, marks: Sequence[int]) -> float | None:
    """The advantage that all of the policy's tokens have; None where they differ: a row has room for one."""
    if not isinstance(row.get(key), list):
        return fields.number(row.get(key), repr(key))
    values = logprobs(row, key) or []
    found = {value for value, mark in zip(values, marks, strict=False) if mark}
    return found.pop() if len(found) == 1 else None


def _are(values: list[Any], types: set[type]) -> bool:
    return types.issuperset(map(type, values))


def _first_fault(values: list[Any], key: str, is_right: Callable[[Any], bool], expected: str) -> Rejected:
    at, value = next((at, value) for at, value in enumerate(values) if not is_right(value))
    return Rejected("wrong_type", f"{key!r} has {value!r} at {at}, expected {expected}")


def _is_token_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_TOKEN_ID


def _is_mark(value: Any) -> bool:
    return type(value) in (int, bool, float) and value in (0, 1)


def _is_logprob(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= MAX_FLOAT32)
