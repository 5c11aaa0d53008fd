"""A real instance in a temporary folder: webserver, daemon and code server, as `dg dev` starts them.

Belongs here: starting, waiting, asking and ending. Does not: what is tried on it (the tests; benchmarks/).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

from medallion_assets.roots import Roots, project_folder

START_SECONDS, END_SECONDS, LOOK_SECONDS = 120.0, 60.0, 0.05
OUR_DEFINITIONS = ("--workspace", str(project_folder() / "workspace.yaml"))
LOADED = """
{ workspaceOrError { ... on Workspace { locationEntries {
  locationOrLoadError { __typename ... on PythonError { message } }
} } } }
"""
BACKFILL_SECONDS = 300.0
BACKFILL = """
mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
} }
"""
T = TypeVar("T")


@dataclass(frozen=True)
class RunningInstance:
    """An instance that runs: where its pages are, where its data lies, and the instance itself to ask."""

    url: str
    roots: Roots
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    target: tuple[str, ...]
    process: int

    def graphql(self, query: str, **variables: Any) -> Any:
        """What the webserver answers; raises where it answers with errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        if found.get("errors"):
            raise RuntimeError(f"{query[:200]}: {found['errors']}")
        return found["data"]

    def backfill(
        self, assets: Sequence[dg.AssetKey], partitions: Sequence[str] | None
    ) -> list[dg.DagsterRun]:
        """As the UI starts it, of all partitions if none are named; its runs, once it is over."""
        which = {"allPartitions": True} if partitions is None else {"partitionNames": list(partitions)}
        selection = [{"path": list(key.path)} for key in assets]
        started = self.graphql(BACKFILL, params={"assetSelection": selection, **which})
        found = started["launchPartitionBackfill"]
        if "backfillId" not in found:
            raise RuntimeError(f"the backfill was not started: {found}")
        wait_until(lambda: self._is_over(found["backfillId"]), BACKFILL_SECONDS)
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": found["backfillId"]})))

    def _is_over(self, backfill_id: str) -> bool:
        backfill = self.instance.get_backfill(backfill_id)
        return backfill is not None and backfill.status in BULK_ACTION_TERMINAL_STATUSES

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of Dagster's, as a user types it: `dagster …` or `dg …`, in this instance."""
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        return subprocess.run(
            command, env=self.environment, cwd=project_folder(), capture_output=True, text=True, check=False
        )


@contextmanager
def running_instance(
    folder: Path,
    *,
    target: Sequence[str] = OUR_DEFINITIONS,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningInstance]:
    """Of the project's own dagster.yaml, with its data in `folder`; it answers when the body begins."""
    roots = Roots(folder / "data", folder / "landing")
    added = {**environment_of(folder), **(environment or {})}
    environment = {**os.environ, **added}
    instance = new_instance(folder, added)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dagster", "dev", *target, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "dev.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        running = RunningInstance(url, roots, instance, environment, tuple(target), process.pid)
        try:
            wait_until(lambda: _has_loaded(running), START_SECONDS, alive=process, log=folder / "dev.log")
            yield running
        finally:
            _end(process)
            instance.dispose()


def environment_of(folder: Path) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "MEDALLION_DATA": str(folder / "data"),
        "MEDALLION_LANDING": str(folder / "landing"),
    }


def new_instance(folder: Path, environment: Mapping[str, str]) -> dg.DagsterInstance:
    """With the project's settings; made before anything starts, since processes would race for it."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project_folder() / "dagster.yaml", home / "dagster.yaml")
    (folder / "landing").mkdir(exist_ok=True)
    with mock.patch.dict(os.environ, environment):  # which dagster.yaml refers to
        return dg.DagsterInstance.from_config(str(home))


def wait_until(
    condition: Callable[[], T | None],
    seconds: float,
    *,
    alive: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> T:
    """The first thing that the condition gives; looked for often, given up after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        if alive is not None and alive.poll() is not None:
            raise RuntimeError(f"the instance ended with {alive.returncode}: {_end_of(log)}")
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"not within {seconds:.0f} s: {_end_of(log)}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _has_loaded(running: RunningInstance) -> bool:
    with suppress(OSError):
        entries = running.graphql(LOADED)["workspaceOrError"].get("locationEntries", [])
        kinds = [(each["locationOrLoadError"] or {}).get("__typename") for each in entries]
        if "PythonError" in kinds:
            raise RuntimeError(f"the code location can't be loaded: {entries}")
        return kinds == ["RepositoryLocation"]
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does; whoever of its session is left after that is killed."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_of(log: Path | None) -> str:
    return log.read_text()[-3000:] if log and log.exists() else ""
