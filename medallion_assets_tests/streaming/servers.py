"""Real brokers of a test's own: Debian's Redis on a socket in a temporary folder, librdkafka's mock of Kafka;
and consumers as processes of their own.

Belongs here: starting, killing and ending them. Does not: what is sent or judged.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from medallion_assets.roots import project_folder
from medallion_assets.streaming.status import statuses
from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.streaming.given import configuration

REDIS = shutil.which("redis-server")
SECONDS = 30.0
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--port", "0")


class Redis:
    """A server that keeps everything it acknowledged, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> Any:
        import redis

        return redis.Redis(unix_socket_path=str(self.socket), protocol=2, socket_timeout=10)

    def start(self) -> None:
        words = [str(REDIS), *DURABLE, "--dir", str(self.folder), "--unixsocket", str(self.socket)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        wait_for(self._answers, seconds=SECONDS, what="Redis")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        import redis

        with suppress(redis.RedisError, OSError):
            return bool(self.client().ping())
        return False


@contextmanager
def running_redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Redis(Path(folder))
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def mock_kafka(brokers: int = 3) -> Iterator[str]:
    """Bootstrap servers of a cluster within this process. Its topics have four partitions."""
    from confluent_kafka import Producer

    owner = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "mock", "log_level": 2})
    found = owner.list_topics(timeout=10).brokers.values()
    try:
        yield ",".join(f"{each.host}:{each.port}" for each in found)
    finally:
        owner.flush(1)


class Member:
    """`medallion stream` as a process."""

    def __init__(
        self, folder: Path, environment: dict[str, str], *, member: str = "main", **stream: Any
    ) -> None:
        self.folder = folder
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(configuration(**stream)))
        self._words = ["stream", "live", "--config", str(folder / "pipeline.yaml"), "--member", member]
        self._environment = {**environment_of(folder), **environment}
        self._log, self._process = folder / f"{member}.log", None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-m", "medallion_assets.cli", *self._words],
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Gracefully; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(SECONDS)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_in(self, members: Path) -> bool:
        """Whether it has given a sign of life there, in this life of its."""
        assert self._process is not None
        return any(each.pid == self._process.pid for each in statuses(members))

    def resident_mib(self) -> float:
        """Of the process, where it runs."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    @property
    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def consuming(*members: Member) -> Iterator[Sequence[Member]]:
    """None of them is left afterwards."""
    try:
        yield members
    finally:
        for member in members:
            member.kill()


def environment_of(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MEDALLION_DATA": str(folder / "data"),
        "MEDALLION_LANDING": str(folder / "landing"),
        "PYTHONPATH": str(project_folder()),
    }
