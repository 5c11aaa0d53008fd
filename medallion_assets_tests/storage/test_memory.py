"""Memory is kept for the next batch where the C library can, and all is as before where it can't."""

from __future__ import annotations

import gc

import pytest

from medallion_assets.storage import memory
from medallion_assets.storage.memory import kept_for_the_next_batch


@pytest.mark.parametrize("libc", [memory._glibc(), None])
def test_cycles_are_looked_for_less_often_until_all_is_written(
    libc: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: libc)
    before = gc.get_threshold()
    with kept_for_the_next_batch():
        assert gc.get_threshold() > before
    assert gc.get_threshold() == before
