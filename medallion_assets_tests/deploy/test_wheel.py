"""The code location as a wheel, in an environment without the checkout, installed as the image does it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value

from medallion_assets.roots import project_folder
from medallion_assets_tests.instance import free_port, wait_for

DOCKERFILE = (project_folder() / "deploy/Dockerfile").read_text()
SECONDS = 120.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the package installed, and the others from here."""
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder / "venv", symlinks=True)
    source = folder / "src"
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    for name in {word for line in copied for word in line.split()} - {"requirements-deploy.lock"}:
        path = project_folder() / name
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, _made(source / name))
    [*_, install] = re.findall(r"^RUN (pip install .*)$", DOCKERFILE, flags=re.MULTILINE)
    python = folder / "venv" / "bin" / "python"
    _others(python)
    command = [sys.executable, "-m", "pip", "--python", str(python), *shlex.split(install)[1:]]
    subprocess.run([*command, "--no-index"], cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)
    return python


def _others(python: Path) -> None:
    """Libraries from this environment, but for its own installation of this package."""
    packages = next(python.parent.parent.glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def code_server(installed: Path, tmp_path: Path) -> Iterator[int]:
    """The port of one that was started by the image's own command, on loopback, in an empty folder."""
    [words] = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, flags=re.MULTILINE)
    port = free_port()
    given = {"0.0.0.0": "127.0.0.1", "3030": str(port)}
    command = [given.get(word, word) for word in re.findall(r'"([^"]*)"', words)]
    assert command[0] == "dagster"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"DAGSTER_HOME": str(tmp_path), "MEDALLION_DATA": str(tmp_path / "data")}
    process = subprocess.Popen(
        [str(installed), "-m", *command], cwd=tmp_path, env=environment, start_new_session=True
    )
    try:
        wait_for(lambda: _answers(port, process), seconds=SECONDS, what="the code server")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the code server has ended"
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return DagsterGrpcClient(port=port, host="127.0.0.1").health_check_query() == "SERVING"


def test_an_installed_code_server_has_the_whole_pipeline(code_server: int) -> None:
    answer = DagsterGrpcClient(port=code_server, host="127.0.0.1").list_repositories()
    listed = deserialize_value(answer, ListRepositoriesResponse)
    assert [symbol.repository_name for symbol in listed.repository_symbols] == ["__repository__"]


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import medallion_assets.definitions as d; print(d.__file__); print(len(list(d.defs().assets)))"
    done = subprocess.run(
        [str(installed), "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    file, assets = done.stdout.split()
    assert Path(file).is_relative_to(installed.parent.parent)
    assert int(assets) > 20
