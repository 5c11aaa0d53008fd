"""How far rollouts are behind the newest policy of their run: the one rule of silver's gate and of streams.

Belongs here: the count. Does not: what is known to be newest (policy.py, streaming/), or what follows.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa


def versions_behind(rows: pa.Table, newest: Mapping[str, int]) -> list[int]:
    """By row; 0 where nothing is known of its run."""
    runs, versions = (rows.column(name).to_pylist() for name in ("run", "policy_version"))
    return [newest.get(run, version) - version for run, version in zip(runs, versions, strict=True)]
