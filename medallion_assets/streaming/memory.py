"""What a trainer remembers of what it was given: enough to give nothing twice, and no more.

Belongs here: the keys of rollouts that could still come again, and keeping them over restarts. Does not: the
log (positions.py). What is beyond the policy lag is not given anyway, so it need not be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from medallion_assets.storage import files
from medallion_assets.streaming.chunks import RUNS_REMEMBERED
from medallion_assets.streaming.positions import LOG, Cursor, Given, LoggedStep, read_log

NAME = "memory.json"
STEPS_BETWEEN = 200


class Memory(msgspec.Struct, kw_only=True):
    """As of a step: where the log ended, what comes next, totals, and by run the versions of keys given."""

    step: int = 0
    log_bytes: int = 0
    cursor: Cursor = Cursor(0, 0)
    served: int = 0
    skipped: dict[str, int] = msgspec.field(default_factory=dict)
    given: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)

    def has(self, run: str, rollout_key: str) -> bool:
        return rollout_key in self.given.get(run, ())

    def learn(self, step: LoggedStep, log_bytes: int) -> None:
        self.step, self.cursor, self.log_bytes = step.step, step.cursor, log_bytes
        self.served += len(step.given)
        for reason, number in step.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + number
        self._add(step.given)

    def forget(self, newest: Mapping[str, int], max_lag: int) -> None:
        """Keys of policies that are left behind, and the runs that were heard of longest ago."""
        for run, keys in self.given.items():
            least = newest.get(run, 0) - max_lag
            if any(version < least for version in keys.values()):
                self.given[run] = {key: version for key, version in keys.items() if version >= least}
        self.given = dict(list(self.given.items())[-RUNS_REMEMBERED:])

    def keep(self, folder: Path) -> None:
        files.replace_atomically(folder / NAME, msgspec.json.encode(self))

    def _add(self, given: Iterable[Given]) -> None:
        for each in given:
            keys = self.given.pop(each.run, {})
            keys[each.rollout_key] = each.policy_version
            self.given[each.run] = keys


def recalled(folder: Path) -> Memory:
    """As it was kept last, with the steps that were logged since."""
    path = folder / NAME
    memory = msgspec.json.decode(path.read_bytes(), type=Memory) if path.exists() else Memory()
    log = folder / LOG
    if memory.log_bytes > (log.stat().st_size if log.exists() else 0):
        memory = Memory()  # the log was restored from an older copy, and the log is the truth
    for step in read_log(log, start=memory.log_bytes):
        memory.learn(step, log.stat().st_size)
    return memory
