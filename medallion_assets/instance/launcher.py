"""Dagster's own launcher, which starts runs beside the code server, and that knows when one of them is gone.

Belongs here: telling whether a run's process is still there, for the monitoring that dagster.yaml configures.
Does not: starting it. A code server notices runs of its own that end. If both go, as when a machine loses
power, nobody is left who knows: the run would count as at work, and its source wait, for up to six hours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

HERE = ("localhost", "127.0.0.1", "::1")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
# Between a process and the first event of its run; clocks are read at different times.
TOLERANCE_SECONDS = 5.0
PROCESSES = Path("/proc")


class RunLauncher(DefaultRunLauncher):
    """What can't be told counts as running: a run that is given up while it works would be begun twice."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if not server:
            return CheckRunHealthResult(WorkerStatus.RUNNING)  # started by hand, in a process of its own
        executing = _is_executing(server, run.run_id)
        is_here = server.get("host") in HERE or "socket" in server
        gone = self._process_is_gone(run) if is_here else executing is False
        if executing or not gone:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.FAILED, "its process is gone, and so is the code server that started it"
        )

    def _process_is_gone(self, run: DagsterRun) -> bool:
        """Runs that outlive their code server are left to end."""
        record = self._instance.get_run_record_by_id(run.run_id)
        pid = self._pid(run.run_id)
        if pid is None or record is None or record.start_time is None or not PROCESSES.is_dir():
            return False
        age = _age_of_process(pid)
        return age is None or age + TOLERANCE_SECONDS < time.time() - record.start_time

    def _pid(self, run_id: str) -> int | None:
        for entry in self._instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event is not None and "pid" in event.engine_event_data.metadata:
                return int(str(event.engine_event_data.metadata["pid"].value))
        return None


def _is_executing(server: Mapping[str, Any], run_id: str) -> bool | None:
    """None where the code server doesn't answer."""
    client = DagsterGrpcClient(
        port=server.get("port"),
        socket=server.get("socket"),
        host=server.get("host", "localhost"),
        use_ssl=bool(server.get("use_ssl", False)),
    )
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout=5)
    except DagsterUserCodeUnreachableError:
        return None
    return bool(deserialize_value(answer, CanCancelExecutionResult).can_cancel)


def _age_of_process(pid: int) -> float | None:
    """In seconds; None where there is none. One that is younger than the run has its number only."""
    try:
        status = (PROCESSES / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = status.rpartition(")")[2].split()
    started = int(fields[18]) / CLOCK_TICKS
    return None if state == "Z" else time.clock_gettime(time.CLOCK_BOOTTIME) - started
