"""Laws of the ledger's records: what was claimed is read, or said to be damaged."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from medallion_assets.extract.ledger import SEAL, Claim, DamagedLedger, Ledger

SHA256 = "ab" * 32
CLAIM = Claim("day/file.jsonl", date(2024, 9, 1), 12, 3)


def test_no_flipped_bit_makes_another_claim(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.claim(SHA256, CLAIM) == CLAIM
    [path] = tmp_path.iterdir()
    record = path.read_bytes()
    found = 0
    for bit in range(8 * len(record)):
        content = bytearray(record)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with suppress(DamagedLedger):
            assert ledger.claim_on(SHA256) == CLAIM
            found += 1
    assert found <= 8 * len(SEAL)  # of the seal's own name alone


def test_a_record_of_an_older_version_has_no_seal(tmp_path: Path) -> None:
    record = b'{"file":"a.jsonl","landing_date":"2024-09-01","size":7}'
    (tmp_path / f"{SHA256}.json").write_bytes(record)
    claim = Claim("a.jsonl", date(2024, 9, 1), 7)
    assert Ledger(tmp_path).claim(SHA256, CLAIM) == claim
    (tmp_path / f"{SHA256}.json").write_bytes(record[:-1])
    with pytest.raises(DamagedLedger, match="back-up"):
        Ledger(tmp_path).claim_on(SHA256)
