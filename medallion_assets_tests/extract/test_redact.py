"""Laws of redaction: nothing named stays, nothing else changes, and doing it again changes nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.extract.detectors import DETECTORS
from medallion_assets.extract.plain import plain
from medallion_assets.extract.redact import SALT_VARIABLE, Redaction, SaltUnusable, salt_from_environment
from medallion_assets.records import canonical_json

SALT = b"sixteen bytes or more"
EVERYTHING = Redaction(mask=tuple(DETECTORS))
PIECES = st.sampled_from(
    [
        "ann@example.com",
        "+1 650-253-0000",
        "6502530000",
        "10.0.0.1",
        "2001:db8::1",
        "4111 1111 1111 1111",
        "123456782",
        "536-90-4399",
        "[phone]",
        "[",
        "]",
        " ",
        "-",
        ".",
        "@",
        ":",
        "+",
        "(",
        ")",
        "0",
        "12",
        "请",
        "\\n",
        "\uff11",
        "a",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(text=TEXTS)
def test_redacting_a_redacted_text_changes_nothing(text: str) -> None:
    redacted = EVERYTHING.text(text)
    assert EVERYTHING.text(redacted) == redacted


@given(text=TEXTS)
def test_whatever_is_left_of_a_text_has_nothing_to_find(text: str) -> None:
    redacted = plain(EVERYTHING.text(text))
    assert [span for find in DETECTORS.values() for span in find(redacted)] == []


@given(value=VALUES)
def test_a_record_keeps_its_shape_and_its_other_values(value: Any) -> None:
    assert shape(EVERYTHING.record(value, b"")) == shape(value)
    assert Redaction().record(value, b"") == value


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    is_identifier = isinstance(value, int | float) and abs(value) >= 10**8  # one without quotes becomes text
    return "text" if isinstance(value, str) or is_identifier else value


def full_width(text: str) -> str:
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to ann@example.com or call +1 650-253-0000.", "Write to [email] or call [phone]."),
        ("请联系ann@example.com谢谢", "请联系[email]谢谢"),
        (f"电话{full_width('(02)2720-6166')}谢谢", "电话[phone]谢谢"),
        (f"卡号{full_width('4111111111111111')}。", "卡号[card]。"),
        (f"{full_width('ann@example.com')}。", "[email]。"),
        ("650-253-0000".translate({0x30 + digit: 0x660 + digit for digit in range(10)}), "[phone]"),
        ('{"call": "\\n+1 650-253-0000\\n4111111111111111\\n"}', '{"call": "\\n[phone]\\n[card]\\n"}'),
        ("\\u8bf74111111111111111", "\\u8bf7[card]"),
        ("**6502530000** or **4111111111111111**", "**[phone]** or **[card]**"),
        ("http://10.0.0.1:8080/a and [2001:db8::1]:443", "http://[ip]:8080/a and [[ip]]:443"),
        ("4111 1111 1111 1111 123", "[card] 123"),
        ("a@b.com@c.com", "[email]"),
    ],
)
def test_texts_of_every_script_and_escape_are_masked_in_place(text: str, redacted: str) -> None:
    assert EVERYTHING.text(text) == redacted


def test_only_what_is_asked_for_is_masked() -> None:
    text = "ann@example.com 10.0.0.1"
    assert Redaction(mask=("ip",)).text(text) == "ann@example.com [ip]"


def test_phone_regions_decide_what_is_a_number_without_a_country() -> None:
    text = "ring 020 7031 3000 or +44 20 7031 3000"
    assert Redaction(mask=("phone",), phone_regions=("GB",)).text(text) == "ring [phone] or [phone]"
    assert Redaction(mask=("phone",), phone_regions=()).text(text) == "ring 020 7031 3000 or [phone]"


def test_an_unknown_mask_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match=r"mask has \['emial'\], expected of \['card', 'email'"):
        Redaction(mask=("emial",))


def test_paths_go_through_lists_and_a_key_with_dots_goes_first() -> None:
    record = {
        "user": {"name": "Ann", "id": 7},
        "turns": [{"by": {"name": "Bob"}, "text": "a"}, {"text": "b"}, "c"],
        "a.b": {"c": 1, "d": 2},
        "a": {"b": {"c": 3}},
    }
    redaction = Redaction(drop=("user.name", "turns.by.name", "a.b.c", "absent.too", "turns.text.deeper"))
    assert redaction.record(record, b"") == {
        "user": {"id": 7},
        "turns": [{"by": {}, "text": "a"}, {"text": "b"}, "c"],
        "a.b": {"d": 2},
        "a": {"b": {"c": 3}},
    }


def test_a_field_both_dropped_and_hashed_is_dropped() -> None:
    assert Redaction(drop=("a",), hash=("a", "a.b")).record({"a": {"b": 1}, "c": 2}, SALT) == {"c": 2}


def test_a_record_is_left_as_it_came() -> None:
    record = {"a": [{"b": "ann@example.com"}]}
    EVERYTHING.record(record, b"")
    assert record == {"a": [{"b": "ann@example.com"}]}


def test_equal_identifiers_hash_equally_wherever_they_stand() -> None:
    record = {"id": "u1", "turns": [{"by": "u1"}, {"by": None}], "all": ["u1", "u2"], "n": 7, "m": "7"}
    hashed = Redaction(hash=("id", "turns.by", "all", "n", "m")).record(record, SALT)
    u1, u2 = hashed["all"]
    assert hashed == record | {
        "id": u1,
        "turns": [{"by": u1}, {"by": None}],
        "all": [u1, u2],
        "n": hashed["n"],
        "m": hashed["m"],
    }
    assert len({u1, u2, hashed["n"], hashed["m"]}) == 4


@given(value=VALUES.filter(lambda value: value is not None and not isinstance(value, list)))
def test_a_hash_is_of_the_value_and_the_salt_alone(value: Any) -> None:
    redaction = Redaction(hash=("id",), mask=tuple(DETECTORS))
    hashed = redaction.record({"id": value}, SALT)["id"]
    again = json.loads(canonical_json(value))
    assert re.fullmatch(r"hash:[0-9a-f]{32}", hashed)
    assert redaction.record([{"x": 1, "id": again}], SALT) == [{"x": 1, "id": hashed}]
    assert redaction.record({"id": value}, SALT + b"!")["id"] != hashed


def test_a_hash_never_changes_between_releases() -> None:
    hashed = Redaction(hash=("id",)).record({"id": "ann"}, SALT)
    assert hashed == {"id": "hash:f4dd377d4d7ffe7c4df9bc837ab88912"}


def test_keys_are_masked_and_two_of_them_never_become_one() -> None:
    record = {"ann@example.com": 1, "[email]": 2, "bob@example.com": {"eve@example.com": "x"}}
    redacted = EVERYTHING.record(record, b"")
    assert redacted == {"[email]": 1, "[email] (2)": 2, "[email] (3)": {"[email]": "x"}}
    assert EVERYTHING.record(redacted, b"") == redacted


def test_paths_name_fields_as_they_came_before_masking() -> None:
    redaction = Redaction(drop=("ann@example.com",), mask=("email",))
    assert redaction.record({"ann@example.com": 1, "a": 2}, b"") == {"a": 2}


@pytest.mark.parametrize(
    ("value", "fault"), [(None, "is not set"), ("", "is not set"), ("short", "has 5 bytes")]
)
def test_a_missing_or_short_salt_says_what_to_do(
    value: str | None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(SALT_VARIABLE, value)
    with pytest.raises(SaltUnusable, match=f"MEDALLION_REDACTION_SALT {fault}.*'crm'.*openssl rand -hex 32"):
        salt_from_environment("crm")


def test_the_salt_is_the_bytes_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SALT_VARIABLE, "sechzehn Bytes ü")
    assert salt_from_environment("crm") == "sechzehn Bytes ü".encode()


def test_a_number_that_a_spreadsheet_made_a_float_is_masked() -> None:
    redaction = Redaction(mask=("phone", "card"))
    values = {"phone": "6502530000.0", "card": "4111111111111111.00", "share": "0.25", "year": "2024.0"}
    assert redaction.record(values, b"") == {**values, "phone": "[phone]", "card": "[card]"}
