"""The RL curriculum: as of a day, the prompts worth training on, with how often the policy solved them.

Belongs here: pass rates and the prompts that they drop. Does not: verification of rewards (reward.py).
Rollouts count from the day after they landed, so no partition depends on what it led to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from medallion_assets.curate.derived import days_after
from medallion_assets.schemas import REJECTS, RL_CURRICULUM
from medallion_assets.stage import code_digest
from medallion_assets.storage.duck import connect
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = ("medallion_assets.curate.curriculum", "medallion_assets.curate.derived", "medallion_assets.schemas")
SHOWN = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
RATES = """
SELECT prompt_key, count(*) AS attempts, count(*) FILTER (reward >= $solved_at) AS solved
FROM read_parquet($paths) WHERE reward IS NOT NULL AND prompt_key IS NOT NULL GROUP BY prompt_key
"""


class Rate(NamedTuple):
    attempts: int
    solved: int


@dataclass(frozen=True)
class PassRateRules:
    """When an answer counts as solved, how many a verdict takes, and which prompts it drops."""

    solved_at: float
    min_attempts: int
    drop_always_solved: bool
    drop_never_solved: bool

    def verdict(self, rate: Rate) -> str | None:
        """The reason to drop a prompt, if there is one."""
        if rate.attempts < self.min_attempts:
            return None
        if self.drop_always_solved and rate.solved == rate.attempts:
            return "always_solved"
        return "never_solved" if self.drop_never_solved and rate.solved == 0 else None


def pass_rates(paths: Sequence[Path], *, solved_at: float, scratch: Path) -> dict[str, Rate]:
    """By prompt key, over these files of rollouts."""
    if not paths:
        return {}
    with connect(scratch) as duck:
        values = {"paths": [str(path) for path in paths], "solved_at": solved_at}
        return {
            key: Rate(attempts, solved) for key, attempts, solved in duck.execute(RATES, values).fetchall()
        }


def split_by_rate(
    prompts: pa.Table, rates: Mapping[str, Rate], rules: PassRateRules
) -> tuple[pa.Table, pa.Table]:
    """Prompts with their pass rates, and the rejects of those that teach nothing."""
    found = [rates.get(key, Rate(0, 0)) for key in prompts.column("prompt_key").to_pylist()]
    verdicts = [rules.verdict(rate) for rate in found]
    counted = {
        "attempts": [rate.attempts for rate in found],
        "solved": [rate.solved for rate in found],
        "pass_rate": [rate.solved / rate.attempts if rate.attempts else None for rate in found],
    }
    rated = prompts
    for name, values in counted.items():
        rated = rated.append_column(name, pa.array(values, RL_CURRICULUM.arrow.field(name).type))
    kept = rated.filter(pa.array([verdict is None for verdict in verdicts], pa.bool_()))
    lost = prompts.select(SHOWN).filter(pa.array([verdict is not None for verdict in verdicts], pa.bool_()))
    why = [(verdict, rate) for verdict, rate in zip(verdicts, found, strict=True) if verdict is not None]
    rejects = [_reject(row, *reason) for row, reason in zip(lost.to_pylist(), why, strict=True)]
    return kept.cast(RL_CURRICULUM.arrow), REJECTS.table(rejects)


def _reject(row: dict[str, Any], verdict: str, rate: Rate) -> dict[str, Any]:
    detail = f"{rate.solved} of {rate.attempts} rollouts solved it"
    return row | {"stage": "policy", "reason": verdict, "detail": detail}


@dataclass(frozen=True)
class CurriculumStage:
    """Makes silver/rl_curriculum from all prompts up to a day and all rollouts before it."""

    prompts: Table
    rollouts: Table
    rules: PassRateRules

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", RL_CURRICULUM.name)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.prompts, self.rollouts)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, RL_CURRICULUM)

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("duckdb", "pyarrow"))

    @property
    def config_version(self) -> str:
        return digest_of(asdict(self.rules))[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {*store.keys(self.table), *store.keys(self.prompts), *days_after(store, self.rollouts)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """Later days, from the first on whose prompts are not those it was made of."""
        made_of = ((key, store.manifest(self.table, key)) for key in store.keys(self.table))
        other = [
            key
            for key, manifest in made_of
            if manifest and manifest.digests.inputs.split(".")[0] != self._prompts(store, key)
        ]
        first = min([*asked, *other])
        return [key for key in store.keys(self.table) if key >= first and key not in asked]

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            prompts, rollouts = (_contents(store, table, days) for table, days in self._seen(store, key))
            inputs = f"{self._prompts(store, key)}.{digest_of([prompts, rollouts])}"
            return Digests(inputs=inputs, code=self.code_version, config=self.config_version)

        def write(writer: PartitionWriter) -> None:
            prompts, rollouts = (_paths(store, table, days) for table, days in self._seen(store, key))
            scratch = store.root / ".scratch"
            rates = pass_rates(rollouts, solved_at=self.rules.solved_at, scratch=scratch)
            for batch in read_batches(prompts):
                kept, dropped = split_by_rate(pa.Table.from_batches([batch]), rates, self.rules)
                writer.rows(kept)
                writer.rejects(dropped)

        return Build(digests, write)

    def _prompts(self, store: PartitionStore, key: str) -> str:
        """Which prompts this day brought."""
        return ",".join(_contents(store, self.prompts, [key])) or "none"

    def _seen(self, store: PartitionStore, key: str) -> Iterator[tuple[Table, list[str]]]:
        """The days of prompts up to this one, and those of rollouts before it."""
        yield self.prompts, [day for day in store.keys(self.prompts) if day <= key]
        yield self.rollouts, [day for day in store.keys(self.rollouts) if day < key]


def _contents(store: PartitionStore, table: Table, days: Sequence[str]) -> list[str]:
    """Which rows there are; an empty day is as good as none."""
    manifests = (store.manifest(table, day) for day in days)
    return [manifest.content_hash for manifest in manifests if manifest and manifest.rows]


def _paths(store: PartitionStore, table: Table, days: Sequence[str]) -> list[Path]:
    return [path for day in days for path in store.paths(table, day)]
