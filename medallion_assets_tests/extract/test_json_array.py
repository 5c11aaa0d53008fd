"""Laws of the array splitter: every element's exact bytes, at any chunking, or an error; never fewer."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medallion_assets.extract.json_array import is_balanced, split_array
from medallion_assets.extract.raw import HEAD_BYTES, RawRecord, UnreadableContainer

TEXTS = st.text(max_size=6) | st.sampled_from(
    ['"', "\\", '\\"', "]", "[", "},{", ",", "\u2028", "\U0001f600"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
LAYOUTS = st.fixed_dictionaries(
    {
        "indent": st.none() | st.integers(0, 2) | st.just("\t"),
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (" , ", " : "), ("\r\n,", ":\t")]),
    }
)
SPACES = st.text(" \t\r\n", max_size=3)


def chunks_of(text: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`text` in chunks of these sizes, over and over."""
    start, number = 0, 0
    while start < len(text):
        size = sizes[number % len(sizes)]
        yield text[start : start + size]
        start, number = start + size, number + 1


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)
ENOUGH = 1 << 30


def split(chunks: Iterable[bytes], *, limit: int = ENOUGH) -> list[RawRecord]:
    return list(split_array(chunks, offset=0, limit=limit))


@given(values=st.lists(VALUES, max_size=5), layout=LAYOUTS, around=st.tuples(SPACES, SPACES), sizes=SIZES)
@settings(max_examples=200)
def test_elements_are_the_values_at_their_offsets_however_the_text_is_chunked(
    values: list[Any], layout: dict[str, Any], around: tuple[str, str], sizes: list[int]
) -> None:
    text = (around[0] + json.dumps(values, **layout) + around[1]).encode(errors="surrogatepass")
    elements = split(chunks_of(text, sizes))
    assert [json.loads(element.raw) for element in elements] == values
    assert all(text[e.byte_offset :].startswith(e.raw) and e.raw == e.raw.strip() for e in elements)
    assert all(e.line == text[: e.byte_offset].count(b"\n") + 1 for e in elements)
    assert elements == split([text])


@given(values=st.lists(VALUES, max_size=4), layout=LAYOUTS, sizes=SIZES)
@settings(max_examples=60)
def test_an_array_cut_short_anywhere_is_broken(
    values: list[Any], layout: dict[str, Any], sizes: list[int]
) -> None:
    text = json.dumps(values, **layout).encode(errors="surrogatepass")
    for end in range(len(text)):
        with pytest.raises(UnreadableContainer, match="broken_json_array"):
            split(chunks_of(text[:end], sizes))


@given(text=st.text('[]{},"\\ \n1a', max_size=15).map(str.encode), sizes=SIZES)
@example(text=b"{1]", sizes=[1])
@settings(max_examples=300)
def test_whatever_is_valid_json_is_split_or_refused_as_json_says(text: bytes, sizes: list[int]) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    try:
        elements = [element.raw for element in split(chunks_of(text, sizes))]
    except UnreadableContainer:
        assert not isinstance(value, list)
    else:
        assert text.strip().startswith(b"[")
        assert text.strip().endswith(b"]")
        assert value is None or [json.loads(raw) for raw in elements] == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not closed; 0 whole elements"),
        (b"  ", "not closed; 0 whole elements"),
        (b"1", "text before the array's opening bracket, at byte 0"),
        (b"[1, 2", "not closed; 1 whole elements"),
        (b'["a]', "not closed; 0 whole elements"),
        (b'[{"a": [1, 2}, {"b": 2}]', "not closed; 0 whole elements"),
        (b"x[1]", "text before the array"),
        (b'"x" [1]', "text before the array"),
        (b",[1]", "text before the array"),
        (b'{"a": 1}', "text before the array"),
        (b"{1, 2]", "text before the array"),
        (b"[1] x", "text after the array's end, at byte 4"),
        (b"[1]]", "text after the array's end, at byte 3"),
        (b"[1]\n[2]", "text after the array's end, at byte 4"),
        (b"[1]\n\n,", "text after the array's end, at byte 5"),
        (b"[1}", "unmatched } at byte 2"),
        (b"]", "text before the array"),
        (b"}", "text before the array"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_text_that_is_no_array_is_broken_and_says_where(text: bytes, why: str, size: int) -> None:
    with pytest.raises(UnreadableContainer, match=why):
        split(chunks_of(text, [size]))


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (b"[]", []),
        (b" [ \n ] \n", []),
        (b"[1,,2]", [RawRecord(b"1", 1, 1), RawRecord(b"", 1, 3), RawRecord(b"2", 1, 4)]),
        (b"[1,]", [RawRecord(b"1", 1, 1), RawRecord(b"", 1, 3)]),
        (b'["a\\\n", 2]', [RawRecord(b'"a\\\n"', 1, 1), RawRecord(b"2", 2, 8)]),
        (b"[nonsense 7]", [RawRecord(b"nonsense 7", 1, 1)]),
        (b"[[1},\xff\xfe]", [RawRecord(b"[1}", 1, 1), RawRecord(b"\xff\xfe", 1, 5)]),
    ],
    ids=repr,
)
def test_a_malformed_element_is_still_one_element(text: bytes, elements: list[RawRecord]) -> None:
    assert split([text]) == elements


def test_elements_come_out_before_the_end_is_read() -> None:
    read = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"[1,", b"2,", b"3]"):
            read.append(chunk)
            yield chunk

    assert next(split_array(chunks(), offset=0, limit=ENOUGH)) == RawRecord(b"1", 1, 1)
    assert read == [b"[1,"]


def test_depth_is_no_limit() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert split(chunks_of(b"[" + deep + b"]", [1 << 16])) == [RawRecord(deep, 1, 1)]


def test_memory_follows_the_longest_element_not_its_escapes() -> None:
    element = b'"' + b"\\n" * 500_000 + b'"'
    chunks = list(chunks_of(b"[" + element + b"]", [1 << 18]))
    tracemalloc.start()
    [found] = split(chunks)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == RawRecord(element, 1, 1)
    assert peak_bytes < 5 * len(element)


def test_an_element_over_the_limit_is_one_defect_and_the_rest_goes_on() -> None:
    long = b'{"a": "' + b"\\n" * HEAD_BYTES + b'"}'
    text = b"[1,\n" + long + b",\n [2]]"
    for size in (7, 1000, len(text)):
        assert split(chunks_of(text, [size]), limit=len(long) - 1) == [
            RawRecord(b"1", 1, 1),
            RawRecord(
                long[:HEAD_BYTES],
                2,
                4,
                f"too_large: the record has {len(long)} bytes; at most {len(long) - 1} are read",
            ),
            RawRecord(b"[2]", 3, 7 + len(long)),
        ]
        assert [record.defect for record in split(chunks_of(text, [size]), limit=len(long))] == [None] * 3


@given(values=st.lists(VALUES, max_size=5), layout=LAYOUTS, sizes=SIZES, limit=st.integers(1, 20))
@settings(max_examples=150)
def test_the_limit_does_not_depend_on_the_chunks(
    values: list[Any], layout: dict[str, Any], sizes: list[int], limit: int
) -> None:
    text = json.dumps(values, **layout).encode(errors="surrogatepass")
    assert split(chunks_of(text, sizes), limit=limit) == split([text], limit=limit)


@given(value=VALUES)
@settings(max_examples=80)
def test_a_whole_value_is_balanced_and_an_unfinished_object_is_not(value: Any) -> None:
    text = json.dumps({"a": value}).encode()
    assert is_balanced(text)
    assert not any(is_balanced(text[:end]) for end in range(1, len(text)))
