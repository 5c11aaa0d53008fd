"""What rollouts yield for other units: the best answer of a group against its worst, or by itself.

Belongs here: which rollouts are chosen, in DuckDB, and the records made of them. Does not: when and where
those records land (derived.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medallion_assets.storage.duck import connect
from medallion_assets.units import Conversation, Message, Preference, Record

BATCH_ROWS = 1024
# A group is one prompt's samples in one step. A total order picks its best and worst whatever the threads do.
GROUPS = """
WITH drawn AS (
    SELECT record_id, export_sha256, record_number, line, run, step, sample, prompt_key, prompt, completion,
        reward, coalesce(rollout_group, prompt_key) AS answers_to
    FROM read_parquet($paths)
    WHERE reward IS NOT NULL AND prompt IS NOT NULL AND completion IS NOT NULL
),
ranked AS (
    SELECT *,
        row_number() OVER (answered ORDER BY reward DESC, sample, record_id) AS from_best,
        row_number() OVER (answered ORDER BY reward, sample, record_id) AS from_worst
    FROM drawn
    WINDOW answered AS (PARTITION BY run, step, answers_to, prompt_key)
)
SELECT best.record_id, best.export_sha256, best.record_number, best.line, best.prompt, best.completion,
    best.reward, worst.record_id AS worst_record_id, worst.completion AS worst_completion,
    worst.reward AS worst_reward
FROM ranked best JOIN ranked worst USING (run, step, answers_to, prompt_key)
WHERE best.from_best = 1 AND worst.from_worst = 1 AND {chosen}
ORDER BY run, step, answers_to, prompt_key
"""
Harvested = tuple[dict[str, Any], Record]


def preferences(paths: Sequence[Path], *, min_margin: float, scratch: Path) -> Iterator[Harvested]:
    """Of each group whose rewards differ by `min_margin`, the best answer against the worst."""
    chosen = "best.reward - worst.reward >= $least"
    for row in _groups(paths, chosen, min_margin, scratch):
        yield (
            row,
            Preference(
                prompt=_messages(row["prompt"]),
                chosen=[Message("assistant", row["completion"])],
                rejected=[Message("assistant", row["worst_completion"])],
                chosen_score=row["reward"],
                rejected_score=row["worst_reward"],
                margin=row["reward"] - row["worst_reward"],
                source_id=f"{row['record_id']}/{row['worst_record_id']}",
            ),
        )


def rejection_samples(paths: Sequence[Path], *, min_reward: float, scratch: Path) -> Iterator[Harvested]:
    """Of each group, the best answer where it earned `min_reward`."""
    for row in _groups(paths, "best.reward >= $least", min_reward, scratch):
        answer = Message("assistant", row["completion"])
        yield row, Conversation([*_messages(row["prompt"]), answer], source_id=row["record_id"])


def _groups(paths: Sequence[Path], chosen: str, least: float, scratch: Path) -> Iterator[dict[str, Any]]:
    if not paths:
        return
    with connect(scratch) as duck:
        values = {"paths": [str(path) for path in paths], "least": least}
        found = duck.sql(GROUPS.format(chosen=chosen), params=values).to_arrow_reader(BATCH_ROWS)
        for batch in found:
            yield from batch.to_pylist()


def _messages(rows: Sequence[dict[str, Any]]) -> list[Message]:
    return [Message(**row) for row in rows]
