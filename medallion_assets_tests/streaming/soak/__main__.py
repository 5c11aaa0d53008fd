"""`make stream-soak`: rollouts stream while their consumer, their broker and their trainer are killed.

STREAM_SOAK_ROLLOUTS (200000), STREAM_SOAK_RATE a second (1000), STREAM_SOAK_SEED (1), STREAM_SOAK_GAP_SECONDS
(8) between deaths on average, STREAM_SOAK_FOLDER to keep what came out. Exits with 1 where anything that must
hold does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.streaming.servers import (
    REDIS,
    Member,
    Redis,
    consuming,
    environment_of,
    running_redis,
)
from medallion_assets_tests.streaming.soak import sent, trainer
from medallion_assets_tests.streaming.soak.verdicts import VERDICTS, Soaked, quantiles

ROLLOUTS = int(os.environ.get("STREAM_SOAK_ROLLOUTS", "200000"))
RATE = float(os.environ.get("STREAM_SOAK_RATE", "1000"))
SEED = int(os.environ.get("STREAM_SOAK_SEED", "1"))
GAP_SECONDS = float(os.environ.get("STREAM_SOAK_GAP_SECONDS", "8"))
BATCH = {"rows": 10_000, "seconds": 10}
BROKER_AWAY_SECONDS = 0.5
DRAIN_SECONDS = 300.0
QUIET_SECONDS = 5.0


class Process:
    """A module of ours as a process that can be killed and started again."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._words, self._folder = words, folder
        self.start()

    def start(self) -> None:
        with (self._folder / "processes.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._words],
                env=environment_of(self._folder),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Ground:
    """All that runs; each death is followed by a new life."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self.folder, self.redis = folder, redis
        self.member = Member(folder, {"MEDALLION_REDIS": redis.url}, batch=BATCH)
        wait_for((folder / "data/streams/live/members").is_dir, seconds=60, what="the consumer")
        self.trainer = Process(folder, trainer.__name__, str(folder))
        self.sender = Process(folder, sent.__name__, str(redis.socket), str(ROLLOUTS), str(RATE))
        self.memory: list[float] = []

    def kill_consumer(self) -> None:
        self.member.kill()
        self.member.start()

    def stop_consumer(self) -> None:
        """Once it is there to be asked."""
        members = self.folder / "data/streams/live/members"
        wait_for(lambda: self.member.is_in(members), seconds=60, what="the consumer")
        if self.member.stop() != 0:
            raise RuntimeError(f"the consumer did not end well:\n{self.member.log[-3000:]}")
        self.member.start()

    def kill_broker(self) -> None:
        self.redis.kill()
        time.sleep(BROKER_AWAY_SECONDS)
        self.redis.start()

    def kill_trainer(self) -> None:
        self.trainer.kill()
        self.trainer.start()

    def look(self) -> None:
        """That nothing has ended by itself, and how much the consumer holds."""
        if not self.member.is_running or self.trainer.process.poll() is not None:
            log = (self.folder / "processes.log").read_text()
            raise RuntimeError(f"something ended by itself:\n{self.member.log[-3000:]}\n{log[-3000:]}")
        self.memory.append(self.member.resident_mib())


DEATHS: tuple[Callable[[Ground], None], ...] = (
    Ground.kill_consumer,
    Ground.kill_broker,
    Ground.kill_trainer,
    Ground.stop_consumer,
)


def main() -> int:
    if REDIS is None:
        print("redis-server is not installed; Debian: apt-get install redis-server")
        return 1
    with _folder() as folder, running_redis() as redis:
        print(f"{ROLLOUTS:,} rollouts at {RATE:.0f} a second, seed {SEED}, in {folder}", flush=True)
        started = time.monotonic()
        happened, memory = _soak(Ground(folder, redis))
        print(f"{time.monotonic() - started:.0f} s; {dict(sorted(happened.items()))}", flush=True)
        return _judge(Soaked(folder, ROLLOUTS, memory))


def _soak(ground: Ground) -> tuple[Counter[str], list[float]]:
    random, happened = Random(SEED), Counter[str]()
    with consuming(ground.member):
        try:
            next_death = time.monotonic() + GAP_SECONDS
            while ground.sender.process.poll() is None:
                time.sleep(0.5)
                ground.look()
                if time.monotonic() >= next_death:
                    death = random.choice(DEATHS)
                    death(ground)
                    happened[death.__name__] += 1
                    next_death = time.monotonic() + random.expovariate(1 / GAP_SECONDS)
            _drain(ground)
            if ground.member.stop() != 0:
                raise RuntimeError(ground.member.log[-3000:])
        finally:
            ground.trainer.kill()
            ground.sender.kill()
    return happened, ground.memory


def _drain(ground: Ground) -> None:
    """Until the trainer has been given nothing new for some time."""
    diary = ground.folder / trainer.DIARY

    def is_quiet() -> bool:
        ground.look()
        return time.time() - diary.stat().st_mtime > QUIET_SECONDS and not _is_waiting(ground)

    wait_for(is_quiet, seconds=DRAIN_SECONDS, what="the trainer to have read everything")


def _is_waiting(ground: Ground) -> bool:
    """Whether the broker has given out everything: Redis' own count of the rest is lost when it restarts."""
    client = ground.redis.client()
    last = client.xinfo_stream(sent.KEY)["last-generated-id"]
    return any(group["last-delivered-id"] != last for group in client.xinfo_groups(sent.KEY))


@contextmanager
def _folder() -> Iterator[Path]:
    if kept := os.environ.get("STREAM_SOAK_FOLDER"):
        Path(kept).mkdir(parents=True)
        yield Path(kept).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="medallion-stream-") as folder:
        yield Path(folder)


def _judge(soaked: Soaked) -> int:
    status, log = soaked.status, soaked.log
    median, p99 = quantiles(soaked.latencies)
    print(f"polled {status.polled:,}, delivered again {status.repeated:,}, exports {status.exports:,}")
    print(f"served {sum(len(step.given) for step in log):,} in {len(log):,} steps; dropped {status.dropped}")
    print(f"given again after deaths of the trainer: {sum(entry.is_again for entry in soaked.diary)} steps")
    print(f"broker to trainer: median {median:.2f} s, p99 {p99:.2f} s, longest {soaked.latencies[-1]:.2f} s")
    print(f"consumer: {max(soaked.memory):.0f} MiB at most")
    failed = 0
    for name, verdict in VERDICTS.items():
        wrong = verdict(soaked)
        failed += bool(wrong)
        print(f"{'FAILED' if wrong else 'holds':7} {name}{f': {wrong}' if wrong else ''}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
