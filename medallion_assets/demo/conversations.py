"""Sample SFT pairs in the shapes of three feeds, with the faults of each.

Belongs here: alpaca, sharegpt and messages. Does not: the text (text.py), or which day brings what
(exports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medallion_assets.demo.containers import json_array, jsonl
from medallion_assets.demo.text import Talk


def alpaca(batch: Sequence[Talk]) -> bytes:
    """A JSON array; every two hundredth record lacks its output."""
    records = []
    for number, talk in enumerate(batch):
        (instruction, output), *_ = talk.turns
        row = {"instruction": instruction, "input": "", "output": "" if number % 200 == 199 else output}
        records.append(row | ({"system": talk.system} if talk.system else {}))
    return json_array(records)


def sharegpt(batch: Sequence[Talk]) -> bytes:
    """JSONL; some conversations begin with the wrong speaker."""
    lines = []
    for number, talk in enumerate(batch):
        turns = [turn for question, answer in talk.turns for turn in (("human", question), ("gpt", answer))]
        turns = turns[1:] if number % 250 == 249 else turns
        conversation = [{"from": who, "value": text} for who, text in turns]
        lines.append({"id": f"talk_{number}", "conversations": conversation})
    return jsonl(lines)


def messages(batch: Sequence[Talk]) -> bytes:
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
    return jsonl(lines) + b'{"messages": [{"role": "user", "content": "cut sho\n'
