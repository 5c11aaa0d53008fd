"""A run counts as gone only where its process is, and the code server that started it does not know it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.utils import make_new_run_id

from medallion_assets.instance.launcher import RunLauncher
from medallion_assets_tests.driven import environment_of
from medallion_assets_tests.instance import free_port, instance_of

LONG_AGO = 86_400.0
GONE, HERE = WorkerStatus.FAILED, WorkerStatus.RUNNING


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_of(tmp_path / "home", environment_of(tmp_path)) as instance:
        yield instance


def status_of(
    instance: dg.DagsterInstance, pid: int, *, host: str = "127.0.0.1", age: float = 0
) -> WorkerStatus:
    """Of a run that began so long ago in this process, and whose code server does not answer."""
    tags = {GRPC_INFO_TAG: json.dumps({"host": host, "port": free_port()})}
    run = dg.DagsterRun(job_name="job", run_id=make_new_run_id(), tags=tags)
    instance.add_run(run)
    instance.report_engine_event("Started process for run.", run, EngineEventData.in_process(pid))
    start = dg.DagsterEvent("PIPELINE_START", "job")
    instance.report_dagster_event(start, run.run_id, timestamp=time.time() - age)
    launcher = instance.run_launcher
    assert isinstance(launcher, RunLauncher)  # as dagster.yaml says
    return launcher.check_run_worker_health(run).status


def ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_whose_process_has_ended_is_gone(instance: dg.DagsterInstance) -> None:
    assert status_of(instance, ended()) is GONE
    assert status_of(instance, os.getpid()) is HERE


def test_another_process_of_the_same_number_is_not_the_run(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert status_of(instance, other.pid, age=LONG_AGO) is GONE
        other.communicate(b"\n")


def test_of_another_machine_nothing_is_claimed(instance: dg.DagsterInstance) -> None:
    assert status_of(instance, ended(), host="code.example.invalid") is HERE


def test_a_run_that_no_code_server_started_is_left_alone(instance: dg.DagsterInstance) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, RunLauncher)
    assert launcher.check_run_worker_health(dg.DagsterRun(job_name="job", run_id="r")).status is HERE
