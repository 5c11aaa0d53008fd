"""The policy-lag gate: rollouts of a policy that its run has left behind are no longer trained on.

Belongs here: the newest versions, and the rejects. Does not: how far behind a rollout is (lag.py), or where
the gate stands (stage.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.curate.lag import versions_behind
from medallion_assets.schemas import REJECTS
from medallion_assets.storage.duck import connect

SHOWN = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")


def newest_versions(paths: Sequence[Path], *, scratch: Path) -> dict[str, int]:
    """By run, the newest policy version in these files of conformed rollouts."""
    if not paths:
        return {}
    query = "SELECT run, max(policy_version) FROM read_parquet($paths) GROUP BY run"
    with connect(scratch) as duck:
        return dict(duck.execute(query, {"paths": [str(path) for path in paths]}).fetchall())


def split_stale(rows: pa.Table, newest: Mapping[str, int], max_lag: int) -> tuple[pa.Table, pa.Table]:
    """Rollouts at most `max_lag` versions behind the newest of their run, and the rejects of the others."""
    lags = versions_behind(rows, newest)
    stale = pa.array([lag > max_lag for lag in lags], pa.bool_())
    lost = rows.select([*SHOWN, "run"]).filter(stale).to_pylist()
    behind = [lag for lag in lags if lag > max_lag]
    rejects = [_reject(row, lag, max_lag) for row, lag in zip(lost, behind, strict=True)]
    return rows.filter(pa.array([lag <= max_lag for lag in lags], pa.bool_())), REJECTS.table(rejects)


def _reject(row: dict[str, Any], lag: int, max_lag: int) -> dict[str, Any]:
    run = row.pop("run")
    detail = f"{lag} versions behind the newest of run {run!r}; max_policy_lag is {max_lag}"
    return row | {"stage": "policy", "reason": "stale_policy", "detail": detail}
