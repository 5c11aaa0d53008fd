"""A running Dagster instance of a test's own: webserver, daemon and code server in one process group.

Belongs here: a home and a workspace to start on, readiness, GraphQL, and the end of every process started.
Does not: what lands, or what is asked of the pipeline.
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
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from medallion_assets.roots import project_folder

if TYPE_CHECKING:
    import dagster as dg

T = TypeVar("T")

LOCATION = "medallion_assets"
START_SECONDS, STOP_SECONDS = 120.0, 20.0
SECONDS_BETWEEN_LOOKS = 0.25
DEFINITIONS = """\
from pathlib import Path
from medallion_assets import build_pipeline
defs = build_pipeline(Path(__file__).with_name("pipeline.yaml"))
"""
WORKSPACE = """\
load_from:
  - python_file: {{relative_path: definitions.py, location_name: {location}}}
"""
READY = """{
  workspaceOrError { __typename ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}"""


class NotRunning(RuntimeError):
    """An instance that did not start, or ended by itself; with the end of its log."""


@dataclass(frozen=True)
class Instance:
    """A webserver that answers at `url`; all processes are in `process_group`, what they say is in `log`."""

    url: str
    home: Path
    process_group: int
    log: Path

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's data. Raises AssertionError where the answer has errors."""
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, headers={"Content-Type": "application/json"}
        )
        with _loopback.open(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def tail(self, characters: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-characters:]


# Loopback is never asked of a proxy.
_loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def write_workspace(folder: Path, pipeline: str) -> Path:
    """A code location for this pipeline's YAML in `folder`; the workspace file that loads it."""
    (folder / "pipeline.yaml").write_text(pipeline)
    (folder / "definitions.py").write_text(DEFINITIONS)
    workspace = folder / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(location=LOCATION))
    return workspace


@contextmanager
def running_instance(
    home: Path, definitions: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Instance]:
    """`dagster dev` on a workspace or a Python file, with the project's dagster.yaml unless `home` has one.

    Yields once everything is loaded and the daemon is well; at the end no process is left.
    """
    make_home(home, environment)
    port, log = free_port(), home / "dev.log"
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        *target_of(definitions),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=home,  # where no .env speaks of another home
            env={**os.environ, **(environment or {}), "DAGSTER_HOME": str(home)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        instance = Instance(f"http://127.0.0.1:{port}", home, process.pid, log)
        wait_for(lambda: _is_ready(instance, process), seconds=START_SECONDS, what="the instance")
        yield instance
    finally:
        _end(process)


def wait_for(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """What `look` returns as soon as it is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def target_of(definitions: Path) -> tuple[str, str]:
    """How Dagster's commands are told of a workspace, or of a Python file with definitions."""
    return ("-f" if definitions.suffix == ".py" else "-w", str(definitions))


def make_home(home: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Initialised before anything starts: processes that start together on an empty home would race."""
    instance_of(home, environment).dispose()
    return home


def instance_of(home: Path, environment: Mapping[str, str] | None = None) -> dg.DagsterInstance:
    """The instance of this home, with the project's dagster.yaml where it has none of its own."""
    import dagster as dg

    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(project_folder() / "dagster.yaml", home / "dagster.yaml")
    added = {**(environment or {}), "DAGSTER_HOME": str(home)}
    with mock.patch.dict(os.environ, added):  # which dagster.yaml refers to
        return dg.DagsterInstance.from_config(str(home))


def _is_ready(instance: Instance, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise NotRunning(f"dagster dev ended with {process.returncode}:\n{instance.tail()}")
    try:
        with _loopback.open(f"{instance.url}/server_info", timeout=5):
            answer = instance.graphql(READY)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    locations = answer["workspaceOrError"]["locationEntries"]
    for each in locations:
        if (found := each["locationOrLoadError"]) and found["__typename"] == "PythonError":
            raise NotRunning(f"{each['name']} can't be loaded: {found['message']}")
    daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
    return all(each["loadStatus"] == "LOADED" for each in locations) and all(
        each["healthy"] for each in daemons if each["required"]
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks once, as a user does with Ctrl-C, then ends the whole group, runs at work included."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
