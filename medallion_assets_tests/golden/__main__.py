"""Writes hashes.json anew, where bytes are meant to change: python -m medallion_assets_tests.golden"""

from __future__ import annotations

import tempfile
from pathlib import Path

from medallion_assets_tests.golden.hashes import FILE, differences, golden, pinned


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        now = golden(Path(folder))
    told = differences(pinned(), now) if FILE.exists() else []
    FILE.write_bytes(now.encode())
    print("\n".join(told[:-1]) or "no bytes have changed")


if __name__ == "__main__":
    main()
