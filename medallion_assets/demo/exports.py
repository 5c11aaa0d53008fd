"""Sample exports for three landing dates, with what real feeds bring: repeats, bad rows, a file sent twice.

Belongs here: three sources' formats and their faults. Does not: the text itself (text.py).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medallion_assets.demo.text import Talk, talks
from medallion_assets.storage import files

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
RECORDS_A_FILE = 1500
REPEATED = 100


def sample_exports() -> dict[str, bytes]:
    """Every sample export by its path below the landing root. The same bytes each time."""
    exports: dict[str, bytes] = {}
    for number, day in enumerate(DAYS):
        batch = talks(seed=number + 1, count=RECORDS_A_FILE)
        before = talks(seed=number, count=REPEATED) if number else []
        exports[f"alpaca/{day}/export.json"] = _alpaca(batch + before)
        exports[f"sharegpt/dt={day}/part-0.jsonl.gz"] = _zipped(
            _sharegpt(talks(seed=number + 11, count=RECORDS_A_FILE))
        )
        exports[f"messages/batch_{day.replace('-', '')}.jsonl"] = _messages(
            talks(seed=number + 21, count=RECORDS_A_FILE)
        )
    exports[f"alpaca/{DAYS[2]}/export_again.json"] = exports[f"alpaca/{DAYS[0]}/export.json"]
    exports[f"sharegpt/dt={DAYS[1]}/part-1.jsonl.gz"] = _zipped(_sharegpt(talks(seed=99, count=50)))[:-20]
    return exports


def land(landing: Path) -> list[str]:
    """Writes the sample exports that are not there yet, each under its final name at once."""
    written = []
    for name, content in sample_exports().items():
        path = landing / name
        if not path.exists():
            files.make_folder(path.parent)
            files.replace_atomically(path, content)
            written.append(name)
    return written


def _alpaca(batch: Sequence[Talk]) -> bytes:
    """A JSON array; every two hundredth record lacks its output."""
    records = []
    for number, talk in enumerate(batch):
        (instruction, output), *_ = talk.turns
        row = {"instruction": instruction, "input": "", "output": "" if number % 200 == 199 else output}
        records.append(row | ({"system": talk.system} if talk.system else {}))
    return json.dumps(records, indent=1).encode()


def _sharegpt(batch: Sequence[Talk]) -> bytes:
    """JSONL; some conversations begin with the wrong speaker."""
    lines = []
    for number, talk in enumerate(batch):
        turns = [turn for question, answer in talk.turns for turn in (("human", question), ("gpt", answer))]
        turns = turns[1:] if number % 250 == 249 else turns
        conversation = [{"from": who, "value": text} for who, text in turns]
        lines.append({"id": f"talk_{number}", "conversations": conversation})
    return _jsonl(lines)


def _messages(batch: Sequence[Talk]) -> bytes:
    """JSONL with system turns; one line is cut short, one has no messages."""
    lines: list[Any] = []
    for talk in batch:
        system = [{"role": "system", "content": talk.system}] if talk.system else []
        turns = [
            {"role": role, "content": text}
            for question, answer in talk.turns
            for role, text in (("user", question), ("assistant", answer))
        ]
        lines.append({"messages": system + turns})
    lines[7] = {"prompt": "a record of another shape"}
    content = _jsonl(lines)
    return content + b'{"messages": [{"role": "user", "content": "cut sho\n'


def _jsonl(lines: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _zipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
