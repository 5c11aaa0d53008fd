"""What every container gives: raw records with their places, or the reason why there are none.

Belongs here: the record, the error, and gathering a record that comes in pieces. Does not: where records
begin and end (lines.py, json_array.py, delimited.py, parquet.py).
"""

from __future__ import annotations

from typing import NamedTuple

HEAD_BYTES = 64 << 10
SPACE = b" \t\r\n"


class UnreadableContainer(ValueError):
    """The export as a whole can't be taken apart. `reason` is a reject's reason code."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class RawRecord(NamedTuple):
    """One record's exact bytes and where they start in the decompressed export.

    `defect` is "reason: detail" for a record that can't go on; `raw` is then what there is of it.
    """

    raw: bytes
    line: int
    byte_offset: int
    defect: str | None = None


class Gathering:
    """A record that comes in pieces: its whole text up to the limit, beyond it only head and size."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._text = bytearray()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self._limit:
            self._text += piece
        else:
            del self._text[HEAD_BYTES:]
            self._text += piece[: HEAD_BYTES - len(self._text)]

    def record(self, line: int, byte_offset: int) -> RawRecord:
        """What came in since the last one."""
        defect = too_large(self.size, self._limit) if self.size > self._limit else None
        record = RawRecord(bytes(self._text), line, byte_offset, defect)
        self.size = 0
        self._text = bytearray()
        return record


def too_large(size: int, limit: int) -> str:
    return f"too_large: the record has {size} bytes; at most {limit} are read"
