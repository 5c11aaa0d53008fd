"""Token sequences of a whole partition, on disk, so that global packing needs no global memory.

Belongs here: keeping sequences and gathering them in another order. Does not: what they mean (encode.py).
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from medallion_assets.package.list_columns import Numbers
from medallion_assets.package.tokens.encode import Signed

ITEM_BYTES = 4
BUFFER_BYTES = 1 << 20


class TokenSpill:
    """An unnamed temporary file of int32 sequences; it is gone when closed, or when the process dies."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(  # noqa: SIM115  # closed by __exit__
            dir=scratch, buffering=BUFFER_BYTES
        )
        self._starts = array("q")
        self.lengths = array("i")
        self._end = 0

    def __enter__(self) -> TokenSpill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def extend(self, tokens: Signed, starts: Numbers, lengths: Numbers) -> None:
        """Sequences that lie among these tokens."""
        self._starts.frombytes((starts.astype(np.int64) + self._end).tobytes())
        self.lengths.frombytes(lengths.astype(np.int32).tobytes())
        self._file.write(tokens.data)
        self._end += len(tokens)

    def gather(self, numbers: Sequence[int]) -> Signed:
        """These sequences, one after the other."""
        self._file.flush()
        descriptor = self._file.fileno()
        pieces = [
            os.pread(descriptor, self.lengths[number] * ITEM_BYTES, self._starts[number] * ITEM_BYTES)
            for number in numbers
        ]
        return np.frombuffer(b"".join(pieces), np.int32)
