"""Laws of what a redacted source shows and stores: masked names, values that another encoding hides."""

from __future__ import annotations

import base64
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.extract.compression import uncompressed_name
from medallion_assets.extract.detectors import DETECTORS
from medallion_assets.extract.inventory import LandingRules, scan
from medallion_assets.extract.plain import plain
from medallion_assets.extract.redact import Redaction
from medallion_assets.extract.redacted import paths_shown, shown_path
from medallion_assets_tests.extract.landing import Landing

EVERYTHING = Redaction(mask=tuple(DETECTORS))
CHAINS = ("", ".csv", ".TSV", ".json", ".jsonl.gz", ".ndjson", ".parquet", ".parquet.zst", ".csv.gz")
PIECES = st.sampled_from(
    ["ann@example.com", "6502530000", "10.0.0.1", "4111111111111111", "_", "-", "a", "1"]
)
STEMS = st.lists(PIECES, min_size=1, max_size=4).map("".join)


@given(stem=STEMS, suffix=st.sampled_from(CHAINS))
def test_a_masked_name_is_read_as_the_name_would_be_and_shows_nothing(stem: str, suffix: str) -> None:
    shown = shown_path(f"2024-09-01/{stem}{suffix}", EVERYTHING)
    assert shown.startswith("2024-09-01/")
    assert shown.endswith(suffix)
    assert len(uncompressed_name(shown)) == len(shown) - len(suffix) + len(uncompressed_name(suffix))
    text = plain(shown.rpartition("/")[2].removesuffix(suffix))
    assert [span for find in DETECTORS.values() for span in find(text)] == []


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("2024-09-01/export_ann.roe@example.org_2024-09-01.jsonl", "2024-09-01/[email]_2024-09-01.jsonl"),
        ("ann@example.org.csv", "[email].csv"),
        ("ann@example.json", "[email].json"),
        ("ann@example.org/bob@example.org.parquet.gz", "[email]/[email].parquet.gz"),
        ("calls_6502530000_b.csv", "calls_[phone]_b.csv"),
        ("calls_4111111111111111.tsv", "calls_[card].tsv"),
        (
            "dt=2024-09-01/run_20240901/step_000120.jsonl.zst",
            "dt=2024-09-01/run_20240901/step_000120.jsonl.zst",
        ),
        (os.fsdecode(b"2024-09-01/ren\xe9.roe@example.org.csv"), "2024-09-01/[email].csv"),
    ],
)
def test_each_part_of_a_path_is_masked_by_itself(file: str, shown: str) -> None:
    assert shown_path(file, EVERYTHING) == shown


def test_a_source_that_masks_nothing_shows_its_names_as_they_are() -> None:
    assert shown_path("ann@example.org.csv", Redaction(drop=("user",))) == "ann@example.org.csv"


def test_an_error_names_a_masked_path_and_stays_what_it_was() -> None:
    shown = partial(shown_path, redaction=EVERYTHING)
    with pytest.raises(FileNotFoundError) as raised, paths_shown(shown):
        Path("/nowhere/ann@example.org.csv").read_bytes()
    assert str(raised.value) == "[Errno 2] No such file or directory: '/nowhere/[email].csv'"
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)


def test_files_that_are_shown_by_one_name_are_all_remembered(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    for name in ("ann@example.org.csv", "bob@example.org.csv"):
        landing.drop(name, name.encode())
    scan(landing.folder, landing.ledger, rules=LandingRules(shown=partial(shown_path, redaction=EVERYTHING)))
    assert len(json.loads((landing.ledger / "_cache.json").read_bytes())) == 2


def test_text_in_base64_is_masked_within() -> None:
    def coded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    record = {
        "a": coded("ask ann@example.org"),
        "b": coded("nobody"),
        "c": base64.b64encode(b"\xff" * 9).decode(),
    }
    assert EVERYTHING.record(record, b"") == record | {"a": coded("ask [email]")}


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        (6502530000.0, "[phone]"),
        (4111111111111111.0, "[card]"),
        (6502530000.5, 6502530000.5),
        (1e300, 1e300),
        (2.0, 2.0),
        (True, True),
    ],
)
def test_a_whole_float_is_masked_as_its_integer_is(value: Any, redacted: Any) -> None:
    assert EVERYTHING.record({"a": value}, b"") == {"a": redacted}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://x.org/?to=ann%40example.org&n=1", "https://[email]&n=1"),
        ("ann&#64;example.org, bob&#x40;example.org", "[email], [email]"),
        ('{"to": "ann\\u0040example.org"}', '{"to": "[email]"}'),
        ('{"call": "\\u002B33 6 12 34 56 78"}', '{"call": "\\u002B[phone]"}'),
        ("50%40", "50%40"),
    ],
)
def test_an_address_is_masked_however_its_at_is_written(text: str, redacted: str) -> None:
    assert EVERYTHING.text(text) == redacted


def test_paths_go_into_json_within_a_text_and_leave_other_texts_alone() -> None:
    redaction = Redaction(drop=("user.name", "turns.note"), hash=("user.id",))
    salt = b"sixteen bytes or more"
    user = {"id": 7, "name": "Ann", "kept": [1, 2.5]}
    inside = {
        "user": json.dumps(user),
        "turns": json.dumps([{"note": "x", "by": "b"}]),
        "a": '{"name": "Ann"}',
    }
    redacted = redaction.record(inside, salt)
    assert json.loads(redacted["user"]) == redaction.record({"user": user}, salt)["user"]
    assert (json.loads(redacted["turns"]), redacted["a"]) == ([{"by": "b"}], inside["a"])
    for text in ("[sic] Ann", '{"kept":   1}', '{"name": '):
        assert redaction.record({"user": text}, salt) == {"user": text}
