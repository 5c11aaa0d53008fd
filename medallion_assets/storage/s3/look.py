"""An object as a file that is read in its ranges, for a look at a footer."""

from __future__ import annotations

import io
from typing import Protocol


class Ranges(Protocol):
    def range(self, name: str, start: int, end: int) -> bytes: ...


class ObjectFile(io.RawIOBase):
    """An object as a file that is read in its ranges."""

    def __init__(self, objects: Ranges, name: str, size: int) -> None:
        super().__init__()
        self._objects, self._name, self._size = objects, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # any buffer, as io declares it
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        content = self._objects.range(self._name, self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
