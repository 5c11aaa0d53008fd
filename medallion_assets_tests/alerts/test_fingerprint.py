"""Names make a reason, amounts do not."""

from __future__ import annotations

import pytest

from medallion_assets.alerts.fingerprint import fingerprint, partitions_named


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nothing for 26 hours", "nothing for 27.5 hours"),
        ("1,204 of 3 lost (12.5 %)", "7 of 12 lost (0.1 %)"),
        ("took 26h", "took 3h"),
        ("<Thing at 0x7f12ab>", "<Thing at 0x00ff12>"),
        ("run 8d1c4a52-1111-4222-8333-0123456789ab", "run 00000000-1111-4222-8333-0123456789ab"),
        ("can't open /tmp/tmpx1/y", "can't open /tmp/tmpz2/y"),
    ],
)
def test_amounts_and_passing_names_make_no_new_reason(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("batch_20240901.jsonl", "batch_20240902.jsonl"),
        ("2024-09-01 is broken", "2024-09-02 is broken"),
        ("export 3.jsonl", "export 4.jsonl"),
        ("OSError", "ValueError"),
        ("host db-1", "host db-2"),
    ],
)
def test_another_name_is_another_reason(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_keys_and_texts_of_metadata_count_and_numbers_do_not() -> None:
    before = {"too_high": {"2024-09-01": 0.31}, "highest_rate": 0.31}
    assert fingerprint(before) == fingerprint({"highest_rate": 0.5, "too_high": {"2024-09-01": 0.5}})
    assert fingerprint(before) != fingerprint({"too_high": {"2024-09-02": 0.31}, "highest_rate": 0.31})


def test_partitions_are_found_as_keys_and_as_texts_of_their_own() -> None:
    shown = {"examples": {"2024-09-02": ["x 2024-01-01 y"]}, "rows": [{"partition": "2024-09-01", "n": 1}]}
    assert partitions_named(shown) == ["2024-09-01", "2024-09-02"]
    assert partitions_named({"hour": "2024-09-01-05:00"}) == ["2024-09-01-05:00"]
