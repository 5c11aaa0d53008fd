"""What becomes of memory that is free again, while batch after batch is written.

Belongs here: the settings of the C library and of Python's garbage collector. Does not: how much is held
at once; that is bounded by whoever makes batches.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# glibc's own numbers of the settings (malloc.h), and what they are set to.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT_BYTES = 64 << 20
ASKED_FOR_BYTES = 16 << 20
LARGEST_KEPT_BYTES = 32 << 20  # the most that glibc allows
# How many new objects make Python look for cycles: some batches' rows, which go without being looked for.
NEW_OBJECTS = 50_000


@contextmanager
def kept_for_the_next_batch() -> Iterator[None]:
    """Memory goes back to the system at the end alone, and rows are rarely looked through for cycles.

    glibc would return what a batch needed, and the next have it mapped and zeroed again, page by page: a
    twentieth of all time. The garbage collector would walk the rows of each batch many times over.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, *thresholds[1:])
    if libc := _glibc():
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TOP_PAD, ASKED_FOR_BYTES)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if libc:
            libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """None where the C library is another one."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
