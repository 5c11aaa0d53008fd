"""Plain conversations of a batch, without tools, in groups of one form: column by column, no step per turn.

Belongs here: reading and grouping turns. Does not: rendering them (joining.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.render.template import Message, with_aliases

UNUSUAL_KEYS = ("tool_calls", "tool_call_id", "name")
FIRST_PRINTABLE, FIRST_BEYOND_ASCII = 0x21, 0x80
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Form:
    """What plain conversations that a template may treat alike have in common."""

    roles: tuple[str, ...]
    thinking: tuple[bool, ...]  # by message, whether it has reasoning
    day: date

    def messages(self, texts: Sequence[str]) -> list[Message]:
        """As templates want them; `texts` are by message its content, and its reasoning where it has one."""
        remaining, messages = iter(texts), []
        for role, thinks in zip(self.roles, self.thinking, strict=True):
            message = {"role": role, "content": next(remaining)}
            if thinks:
                message["reasoning_content"] = next(remaining)
            messages.append(with_aliases(message))
        return messages

    def owners(self) -> list[int]:
        """By text, the message that it is of."""
        return [place for place, thinks in enumerate(self.thinking) for _ in range(1 + thinks)]


@dataclass(frozen=True)
class Group:
    """The batch's rows of one form: by text an array of all rows', by message whether it is to be learned."""

    form: Form
    rows: Numbers
    texts: list[pa.LargeStringArray]
    train: Flags

    def of(self, chosen: Numbers) -> Group:
        """Those of its rows at these places."""
        places = pa.array(chosen)
        return Group(
            self.form, self.rows[chosen], [text.take(places) for text in self.texts], self.train[chosen]
        )


class PlainTurns:
    """The turns of all rows, side by side."""

    def __init__(self, batch: pa.RecordBatch, column: str) -> None:
        lists = batch.column(column)
        turns = lists.flatten()
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        self._borders = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._content = turns.field("content").cast(pa.large_string())
        self._thoughts = turns.field("reasoning_content").cast(pa.large_string())
        self._train = turns.field("train").to_numpy(zero_copy_only=False)
        roles = turns.field("role").dictionary_encode()
        self._names: list[str] = roles.dictionary.to_pylist()
        self._roles = roles.indices.to_numpy()
        self._thinks = self._thoughts.is_valid().to_numpy(zero_copy_only=False)
        self._days: list[date] = batch.column("landing_date").to_pylist()
        unusual = _blank(self._content) | (self._thinks & _blank(self._thoughts))
        for key in UNUSUAL_KEYS:
            unusual |= turns.field(key).is_valid().to_numpy(zero_copy_only=False)
        counted = np.concatenate([[0], np.cumsum(unusual)])[self._borders]
        without_tools = batch.column("tools").is_null().to_numpy(zero_copy_only=False)
        self._plain = (np.diff(counted) == 0) & without_tools & (lengths > 0)

    def groups(self) -> Iterator[Group]:
        codes = (self._roles.astype(np.uint32) * 2 + self._thinks).tobytes()
        cuts = (self._borders * 4).tolist()
        rows: dict[tuple[bytes, date], list[int]] = defaultdict(list)
        for row in np.flatnonzero(self._plain).tolist():
            rows[codes[cuts[row] : cuts[row + 1]], self._days[row]].append(row)
        for (_, day), found in rows.items():
            yield self._group(np.array(found, np.int64), day)

    def _group(self, rows: Numbers, day: date) -> Group:
        first, last = self._borders[rows[0]], self._borders[rows[0] + 1]
        roles = tuple(self._names[code] for code in self._roles[first:last])
        form = Form(roles, tuple(self._thinks[first:last].tolist()), day)
        starts = self._borders[rows]
        texts = []
        for place, thinks in enumerate(form.thinking):
            places = pa.array(starts + place)
            texts += [column.take(places) for column in (self._content, self._thoughts)[: 1 + thinks]]
        return Group(form, rows, texts, self._train[starts[:, None] + np.arange(len(roles))])


def byte_lengths(texts: pa.LargeStringArray) -> Numbers:
    return np.diff(_offsets(texts))


def _blank(texts: pa.LargeStringArray) -> Flags:
    """Whether a text is empty or all space. Most begin with a letter, which shows without looking further."""
    offsets = _offsets(texts)
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    blank: Flags = np.diff(offsets) == 0
    first = np.zeros(len(texts), np.uint8)
    first[~blank] = content[offsets[:-1][~blank]]
    unsure = ~blank & ((first < FIRST_PRINTABLE) | (first >= FIRST_BEYOND_ASCII))
    for place in np.flatnonzero(unsure).tolist():
        blank[place] = texts[place].as_py().isspace()
    return blank


def _offsets(texts: pa.LargeStringArray) -> Numbers:
    buffer = texts.buffers()[1]
    return np.frombuffer(buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1] if buffer else ZERO


ZERO = np.zeros(1, np.int64)
