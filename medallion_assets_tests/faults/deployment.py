"""An instance in pieces: code server, daemon and webserver as processes, killed and started one by one.

Belongs here: starting, killing and ending them. Does not: what is done to them (daemons.py), or an instance
that starts and ends as one (instance.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from medallion_assets.roots import project_folder
from medallion_assets_tests.faults import shifted
from medallion_assets_tests.faults.children import ends_with_its_parent
from medallion_assets_tests.faults.signs import PLANTED, VARIABLE
from medallion_assets_tests.instance import LOCATION, free_port, make_home, wait_for, write_workspace

START_SECONDS = 60.0
# What a test need not wait for as long as people do.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "run_monitoring": {"poll_interval_seconds": 1, "start_timeout_seconds": 40},
}
WORKSPACE = "load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {location}}}\n"
CODE_SERVER, DAEMON, WEBSERVER, VIEWER = "code server", "daemon", "webserver", "viewer"


class Deployment:
    """The processes of one home. What they say is in `<folder>/<process>.log`."""

    def __init__(self, folder: Path, pipeline: str, environment: Mapping[str, str]) -> None:
        self.folder, self.home, self.clock = folder, folder / "home", folder / "clock"
        self.environment = {
            **environment,
            "PYTHONPATH": str(project_folder()),
            VARIABLE: str(folder / "signs"),
            shifted.VARIABLE: str(self.clock),
        }
        self._ports = {name: free_port() for name in (CODE_SERVER, WEBSERVER, VIEWER)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        write_workspace(folder, pipeline)
        (folder / "definitions.py").write_text(PLANTED)
        (folder / "workspace.yaml").write_text(
            WORKSPACE.format(port=self._ports[CODE_SERVER], location=LOCATION)
        )
        self.home.mkdir(parents=True)
        settings = yaml.safe_load((project_folder() / "dagster.yaml").read_text())
        changed = {name: {**settings[name], **values} for name, values in SETTINGS.items()}
        (self.home / "dagster.yaml").write_text(yaml.safe_dump({**settings, **changed}))
        make_home(self.home, environment)

    def url(self, name: str = WEBSERVER) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def start(self, name: str, *, environment: Mapping[str, str] | None = None) -> None:
        """It answers when this returns; the daemon has none to answer to."""
        if name in self._processes:
            raise ValueError(f"the {name} is at work")
        log = self.folder / f"{name}.log"
        with log.open("a") as output:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *self._command(name)],
                cwd=self.folder,  # where no .env speaks of another home
                env={**os.environ, **self.environment, **(environment or {})},
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=ends_with_its_parent,
            )
        if port := self._ports.get(name):
            wait_for(lambda: self._answers(name, port), seconds=START_SECONDS, what=f"the {name}")

    def kill(self, name: str, *, with_children: bool = False) -> None:
        """With SIGKILL; what it started goes on, or goes with it."""
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            (os.killpg if with_children else os.kill)(process.pid, signal.SIGKILL)
        process.wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def end(self) -> None:
        for name in tuple(self._processes):
            self.kill(name, with_children=True)

    def _command(self, name: str) -> list[str]:
        workspace = ["-w", "workspace.yaml"]
        server = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(self._ports.get(name)), *workspace]
        code = ["dagster", "api", "grpc", "-f", "definitions.py", "-h", "127.0.0.1"]
        return {
            CODE_SERVER: [*code, "-p", str(self._ports[CODE_SERVER]), "--location-name", LOCATION],
            DAEMON: [shifted.__name__, "run", *workspace],
            WEBSERVER: server,
            VIEWER: [*server, "--read-only"],
        }[name]

    def _answers(self, name: str, port: int) -> bool:
        if (code := self._processes[name].poll()) is not None:
            said = (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]
            raise RuntimeError(f"the {name} ended with {code}:\n{said}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False


@contextmanager
def deployed(folder: Path, pipeline: str, environment: Mapping[str, str]) -> Iterator[Deployment]:
    """Nothing is started yet; at the end no process is left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    deployment = Deployment(folder, pipeline, environment)
    try:
        yield deployment
    finally:
        deployment.end()
