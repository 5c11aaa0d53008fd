"""Row 44 of the fault matrix: a library, or a change of code, that changes bytes is noticed and named."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from medallion_assets_tests.golden.hashes import Golden, Hashes, differences, golden, pinned

BEFORE = Golden({"python": "3.11.1", "pyarrow": "26.0"}, {"a/b": Hashes("r", "f"), "c/d": Hashes("r", "f")})
OTHER_BYTES = replace(BEFORE, tables={"a/b": Hashes("r", "g"), "c/d": Hashes("s", "g")})
NEWER = {"python": "3.11.1", "pyarrow": "26.1"}


def test_this_code_in_this_environment_makes_the_bytes_that_are_written_down(tmp_path: Path) -> None:
    assert differences(pinned(), golden(tmp_path)) == []


def test_a_library_that_changes_no_bytes_is_welcome() -> None:
    assert differences(BEFORE, replace(BEFORE, environment=NEWER)) == []


def test_other_bytes_are_told_with_the_libraries_that_differ() -> None:
    told = differences(BEFORE, replace(OTHER_BYTES, environment=NEWER))
    assert told[:3] == [
        "a/b has the same rows in other bytes",
        "c/d has other rows",
        "this environment is not the one that the hashes were made in: pyarrow is 26.1 here, 26.0 there",
    ]


def test_other_bytes_in_the_same_environment_are_the_codes_doing() -> None:
    told = differences(BEFORE, replace(OTHER_BYTES, tables={"a/b": Hashes("r", "f"), "e/f": Hashes("", "")}))
    assert told[:2] == ["e/f is new", "c/d is gone"]
    assert "the code has changed what it makes" in told[2]
