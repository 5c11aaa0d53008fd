"""Laws of strict JSON: every value that JSON leaves no choice about, and no other."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.records import Rejected, strict_json

STRINGS = st.text(st.sampled_from('ab:"\\ \u00e9') | st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\n")]))
def test_a_value_is_what_was_written(value: Any, as_ascii: bool, separators: tuple[str, str]) -> None:
    assert strict_json(json.dumps(value, ensure_ascii=as_ascii, separators=separators)) == value


def plain(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """Every character as an escape, those beyond the basic plane as two."""
    units = text.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'


@given(STRINGS, st.tuples(VALUES, VALUES, VALUES), st.sampled_from([plain, escaped]))
def test_a_key_twice_is_refused_however_it_is_spelt(
    key: str, values: tuple[Any, Any, Any], spelt: Callable[[str], str]
) -> None:
    beside, first, second = map(json.dumps, values)
    with pytest.raises(Rejected, match="duplicate_key"):
        strict_json(f"[{beside}, {{{plain(key)}: {first}, {spelt(key)}: {second}}}]")


def test_a_reject_that_is_kept_holds_nothing_of_where_it_was_raised() -> None:
    class Held:
        pass

    def refused() -> None:
        held = Held()
        seen.append(weakref.ref(held))
        refusal = Rejected("reason", "detail")  # a frame that holds its own exception is a cycle
        raise refusal

    seen: list[weakref.ref[Held]] = []
    try:
        refused()
    except Rejected as reject:
        kept = reject.untraced()
    assert (kept.reason, kept.detail, seen[0]()) == ("reason", "detail", None)
