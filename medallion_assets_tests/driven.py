"""An instance with its data beside it, driven as people do: by command lines and by the UI's backfills.

Belongs here: its folders and what a person can start. Does not: processes and readiness (instance.py), or
what is tried on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

from medallion_assets.roots import Roots, project_folder
from medallion_assets_tests.instance import Instance, instance_of, running_instance, target_of, wait_for

OUR_WORKSPACE = project_folder() / "workspace.yaml"
BACKFILL_SECONDS = 300.0
BACKFILL = """
mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
} }
"""


@dataclass(frozen=True)
class Driven:
    """What runs, where its data lies, and the instance itself to ask."""

    running: Instance
    roots: Roots
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    definitions: Path

    def backfill(
        self, assets: Sequence[dg.AssetKey], partitions: Sequence[str] | None
    ) -> list[dg.DagsterRun]:
        """As the UI starts it, of all partitions if none are named; its runs, once it is over."""
        which = {"allPartitions": True} if partitions is None else {"partitionNames": list(partitions)}
        selection = [{"path": list(key.path)} for key in assets]
        asked = {"params": {"assetSelection": selection, **which}}
        found = self.running.graphql(BACKFILL, asked)["launchPartitionBackfill"]
        if "backfillId" not in found:
            raise RuntimeError(f"the backfill was not started: {found}")
        wait_for(
            lambda: self._is_over(found["backfillId"]),
            seconds=BACKFILL_SECONDS,
            what="the end of the backfill",
        )
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": found["backfillId"]})))

    def _is_over(self, backfill_id: str) -> bool:
        backfill = self.instance.get_backfill(backfill_id)
        return backfill is not None and backfill.status in BULK_ACTION_TERMINAL_STATUSES

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of Dagster's on these definitions, as a user types it: `dagster …` or `dg …`."""
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:], *target_of(self.definitions)]
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, env=environment, cwd=project_folder(), capture_output=True, text=True, check=False
        )


@contextmanager
def driven(
    folder: Path, *, definitions: Path = OUR_WORKSPACE, environment: Mapping[str, str] | None = None
) -> Iterator[Driven]:
    """With home, data and landing folder in `folder`; it answers when the body begins."""
    (folder / "landing").mkdir(parents=True, exist_ok=True)
    environment = {**environment_of(folder), **(environment or {})}
    with (
        running_instance(folder / "home", definitions, environment=environment) as running,
        instance_of(folder / "home", environment) as instance,
    ):
        roots = Roots(folder / "data", folder / "landing")
        yield Driven(running, roots, instance, environment, definitions)


def environment_of(folder: Path) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "MEDALLION_DATA": str(folder / "data"),
        "MEDALLION_LANDING": str(folder / "landing"),
    }
