"""Laws of the demo as a user runs it: nothing lost, every planted fault under its reason, twice the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from medallion_assets.config.file import load_config
from medallion_assets.demo.__main__ import CONFIG, RECIPE
from medallion_assets.demo.exports import DAYS
from medallion_assets.report.funnel import (
    Funnel,
    gold_as_text,
    recipe_as_text,
    recipe_funnels,
    table_funnels,
    tables_as_text,
)
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.store import PartitionStore

Row = dict[str, Any]
FAULTS = {
    "sft_pairs": {
        *("empty_output", "exact_duplicate", "invalid_json", "missing_field", "missing_user_turn"),
        *("truncated_gzip", "wrong_role_order", "near_duplicate"),
    },
    "preference_triples": {
        *("cancelled", "disagreement", "exact_duplicate", "identical_answers", "tie", "too_few_answers"),
        *("unequal_lengths", "near_duplicate"),
    },
    "rl_prompts": {"contaminated", "exact_duplicate", "missing_final_answer"},
    "rl_rollouts": {"exact_duplicate", "repeated_rollout", "stale_policy", "truncated_zstd"},
    "rl_curriculum": {"always_solved", "never_solved"},
}
CONFIDENTIAL = ("@example.com", "7946 0", "Internal: second complaint", "agent_notes", "customer_id")


@dataclass(frozen=True)
class Demo:
    """A folder in which the demo ran, and what it printed."""

    folder: Path
    output: str
    stages: PipelineStages
    store: PartitionStore

    @property
    def funnels(self) -> list[Funnel]:
        return table_funnels(self.stages, self.store)

    def rows(self, layer: str, table: str, key: str = "*", *, label: str = "part") -> list[Row]:
        """What the files hold, found by their names alone."""
        paths = sorted((self.store.root / layer / table).glob(f"**/dt={key}/{label}-*.parquet"))
        return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def ran(folder: Path) -> str:
    env = {**os.environ, "DAGSTER_HOME": str(folder / "home"), "MEDALLION_DATA": str(folder / "data")}
    env.pop("MEDALLION_LANDING", None)
    env.pop("MEDALLION_REDACTION_SALT", None)
    command = [sys.executable, "-m", "medallion_assets.demo"]
    result = subprocess.run(
        command, cwd=project_folder(), env=env, capture_output=True, check=False, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "home").mkdir()
    output = ran(folder)
    roots = Roots(folder / "data", folder / "data" / "landing")
    stages = stages_of(load_config(CONFIG), roots, base=CONFIG.parent)
    return Demo(folder, output, stages, PartitionStore(roots.data))


def test_whatever_came_in_was_kept_or_rejected(demo: Demo) -> None:
    judged = [each for each in demo.funnels if not each.table.startswith("eval_")]
    came_in = [(each.table, each.key, (each.landed or 0) + (each.derived or 0)) for each in judged]
    went = [(each.table, each.key, each.kept + sum(each.rejected.values())) for each in judged]
    assert came_in == went
    assert {each.table for each in judged} == {*FAULTS, "rollout_preferences", "rollout_sft"}


def test_the_funnels_count_what_the_files_hold(demo: Demo) -> None:
    counted = {(each.table, each.key): (each.landed, each.kept, each.rejected) for each in demo.funnels}
    for unit in demo.stages.units.values():
        sources = [each.config.name for each in demo.stages.sources if each.config.unit == unit.unit]
        for key in DAYS:
            landed = sum(len(demo.rows("bronze", name, key)) for name in sources)
            tables = [unit.unit, *(table.name for table in unit.conformed_tables)]
            rejects = [row for table in tables for row in demo.rows("silver", table, key, label="rejects")]
            reasons = dict(Counter(row["reason"] for row in rejects))
            assert counted[unit.unit, key] == (landed, len(demo.rows("silver", unit.unit, key)), reasons)


def test_each_planted_fault_appears_under_its_reason(demo: Demo) -> None:
    found = defaultdict(set)
    for each in demo.funnels:
        found[each.table] |= set(each.rejected)
    assert {table: reasons for table, reasons in found.items() if reasons} == FAULTS


def test_rewards_that_were_logged_wrong_are_corrected(demo: Demo) -> None:
    rollouts = demo.rows("silver", "rl_rollouts")
    corrected = {row["record_id"] for row in rollouts if row["reward"] != row["logged_reward"]}
    assert corrected == {row["record_id"] for row in rollouts if "####" not in row["completion"]}
    assert len(corrected) > 5
    assert {row["reward"] for row in rollouts if row["record_id"] in corrected} == {1.0}


def test_rollouts_return_a_day_later(demo: Demo) -> None:
    derived = {(each.table, each.key) for each in demo.funnels if each.table.startswith("rollout_")}
    later = DAYS[1:]
    assert derived == {(table, key) for table in ("rollout_preferences", "rollout_sft") for key in later}
    rated = [row for row in demo.rows("silver", "rl_curriculum", DAYS[2]) if row["attempts"]]
    assert {0 < row["pass_rate"] < 1 for row in rated} == {True}


def test_nothing_confidential_of_the_tickets_is_stored(demo: Demo) -> None:
    rows = [*demo.rows("bronze", "support_tickets"), *demo.rows("silver", "sft_pairs")]
    rows += demo.rows("silver", "*", label="rejects")
    assert [row for row in rows if any(word in str(row) for word in CONFIDENTIAL)] == []
    masked = [row["raw"] for row in demo.rows("bronze", "support_tickets")]
    assert {"[email]" in raw or "[phone]" in raw for raw in masked} == {True}
    assert not (demo.store.root / "bronze" / "support_tickets" / "_raw").exists()


def test_a_second_run_changes_nothing(demo: Demo) -> None:
    tables = [
        recipe_as_text(recipe_funnels(demo.stages, demo.store, RECIPE)),
        gold_as_text(demo.stages, demo.store),
        tables_as_text(demo.funnels),
    ]
    again = ran(demo.folder)
    assert "37 landed now" in demo.output
    assert "108 of 108 partitions changed" in demo.output
    assert "0 landed now" in again
    assert " 0 of 108 partitions changed" in again
    assert all(table in output for table in tables for output in (demo.output, again))
