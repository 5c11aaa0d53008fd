"""Streams for tests: rollouts as messages, a broker in memory that delivers again what was not acknowledged,
and consumers that die at a chosen step.

Belongs here: what several tests of streams need. Does not: real brokers (servers.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from medallion_assets.config.file import check
from medallion_assets.config.stream import StreamConfig
from medallion_assets.conform.streamed import Position, head_of
from medallion_assets.roots import Roots
from medallion_assets.stages import stages_of
from medallion_assets.storage import files
from medallion_assets.streaming.brokers import Lag, Limit, Membership, Message
from medallion_assets.streaming.buffering import Shelf
from medallion_assets.streaming.command import setup_of
from medallion_assets.streaming.consume import Consumer, Setup
from medallion_assets.streaming.journal import Journal

MAX_LAG = 4
NAMES = ("prompt", "completion", "answer", "run", "step", "sample", "policy_version", "id")
SOURCE = {
    "name": "rollouts",
    "unit": "rl_rollouts",
    "format": "mapping",
    "fields": {name: name for name in NAMES},
    "verifier": "gsm8k",
}
STREAM = {"name": "live", "source": "rollouts", "broker": "redis", "topic": "rl:live"}


def configuration(**stream: Any) -> dict[str, Any]:
    return {
        "start_date": "2024-09-01",
        "sources": [SOURCE],
        "rollouts": {"max_policy_lag": MAX_LAG},
        "streams": [STREAM | stream],
    }


def rollout(number: int, *, version: int = 1, run: str = "a", answer: int = 4) -> bytes:
    """A message whose answer is right where it is 4; its id says which one it is."""
    row = {
        "prompt": f"What is {number} - {number} + 4?",
        "completion": f"It is #### {answer}",
        "answer": "4",
        "run": run,
        "step": version,
        "sample": number,
        "policy_version": version,
        "id": f"{run}-{number}",
    }
    return json.dumps(row).encode()


def setup_in(folder: Path, **stream: Any) -> Setup:
    config = check(configuration(**stream))
    roots = Roots(folder / "data", folder / "landing")
    source = stages_of(config, roots, base=folder).sources[0]
    return setup_of(config.streams[0], source, config, roots)


class Broker:
    """Messages by partition. What was not acknowledged is delivered again to whoever connects next.

    `polls` says how many messages each poll brings; the last number goes on. In `disorder`, what comes again
    comes after what is new, as where dead consumers' entries are claimed.
    """

    def __init__(
        self, messages: dict[int, Sequence[bytes]], polls: Sequence[int] = (3,), *, disorder: bool = False
    ) -> None:
        self._all = [
            Message(Position(partition, offset_of(number)), value)
            for partition, values in messages.items()
            for number, value in enumerate(values)
        ]
        self._polls, self._disorder = list(polls), disorder
        self._given: set[Position] = set()
        self.acknowledged: set[Position] = set()
        self._left: list[Message] = []

    def connect(self, _: Membership) -> Broker:
        left = [each for each in self._all if each.position not in self.acknowledged]
        if self._disorder:
            left.sort(key=lambda each: each.position in self._given)
        self._left = left
        return self

    lost = 0

    def poll(self, limit: Limit) -> list[Message]:
        rows = self._polls.pop(0) if len(self._polls) > 1 else self._polls[0]
        taken, self._left = self._left[:rows], self._left[rows:]
        self._given |= {each.position for each in taken}
        return taken

    def acknowledge(self, positions: Sequence[Position]) -> None:
        self.acknowledged |= set(positions)

    def lag(self) -> Lag:
        return Lag({0: len(self._left)})

    def close(self) -> None:
        pass

    @property
    def is_empty(self) -> bool:
        return not self._left

    @property
    def messages(self) -> list[Message]:
        return list(self._all)


def offset_of(number: int) -> str:
    return f"{1_700_000_000_000 + number // 2}-{number % 2}"


class Killed(BaseException):
    """The process is gone."""


SEAMS: tuple[tuple[Any, str], ...] = (
    (Journal, "append"),
    (Shelf, "put"),
    (files, "place_new"),
    (Journal, "clear"),
    (Broker, "acknowledge"),
)


@contextmanager
def dying(at: int | None) -> Iterator[None]:
    """Raises Killed at the so-manieth border of a durable step: before it, in its middle, or after it."""
    left = [at]

    def bordered(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **kwargs: Any) -> Any:
            _pass(left)
            _pass(left, lambda: _torn(*args))
            result = step(*args, **kwargs)
            _pass(left)
            return result

        return stepping

    with ExitStack() as stack:
        for owner, name in SEAMS:
            stack.enter_context(mock.patch.object(owner, name, bordered(getattr(owner, name))))
        yield


def _pass(left: list[int | None], meanwhile: Callable[[], None] = lambda: None) -> None:
    if left[0] is not None:
        if left[0] == 0:
            meanwhile()
            raise Killed
        left[0] -= 1


def _torn(*args: Any) -> None:
    """Half of what a journal was to be given has come to the disk."""
    if isinstance(args[0], Journal) and len(args) > 1:
        text = b"\n".join(args[1])
        with args[0].path.open("ab") as file:
            file.write(text[: len(text) // 2])


def consume(setup: Setup, broker: Broker, *, dies_at: int | None = None, member: str = "main") -> bool:
    """Whether it got to the end of what the broker has; else it was killed."""
    with dying(dies_at):
        try:
            consumer = Consumer(setup, broker.connect, member=member, say=lambda _: None)
            consumer.run(lambda: broker.is_empty)
        except Killed:
            return False
    return True


def landed_lines(setup: Setup) -> list[bytes]:
    paths = sorted(Path(setup.plan.landing).rglob("*.jsonl"))
    return [line for path in paths for line in path.read_bytes().splitlines()]


def landed_positions(setup: Setup) -> list[Position]:
    found = (head_of(line)[1] for line in landed_lines(setup))
    return sorted(found, key=lambda each: (each.partition, each.order))


def stream_config(**stream: Any) -> StreamConfig:
    return StreamConfig.model_validate(STREAM | stream)
