"""Brokers behind one interface: poll gives messages with their positions, acknowledge lets them go.

Belongs here: the interface and the table of adapters. Does not: any broker's own words (kafka.py,
redis_streams.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from medallion_assets.config.stream import StreamConfig
from medallion_assets.conform.streamed import Position
from medallion_assets.streaming.errors import StreamError

FIRST_ROWS = 16


class Message(NamedTuple):
    """What was sent, exactly, and where it stands."""

    position: Position
    value: bytes


class Limit(NamedTuple):
    """How much one poll may bring, and how long it may take. One message may be larger than the bytes."""

    rows: int
    bytes: int
    seconds: float


class Sizes:
    """How many messages may be asked for, so that they hold no more than the bytes: by those seen so far."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def rows(self, limit: Limit, taken: Sequence[Message] = ()) -> int:
        if self._mean is None:
            return min(limit.rows, FIRST_ROWS)
        room = limit.bytes - sum(len(each.value) for each in taken)
        return max(1, min(limit.rows - len(taken), int(room / max(self._mean, 1.0))))

    def saw(self, messages: Sequence[Message]) -> None:
        """Larger ones count at once, smaller ones by and by."""
        if messages:
            mean = sum(len(each.value) for each in messages) / len(messages)
            self._mean = mean if self._mean is None else max(mean, 0.9 * self._mean)


@dataclass(frozen=True)
class Lag:
    """How many messages the group has not been given yet, by partition; None where the broker can't say."""

    by_partition: Mapping[int, int | None] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(filter(None, self.by_partition.values()))


class Broker(Protocol):
    """One member of a consumer group. Methods raise BrokerDown where the broker does not answer.

    `lost` counts messages that the broker is known to have thrown away before they were read.
    """

    @property
    def lost(self) -> int: ...

    def poll(self, limit: Limit) -> list[Message]:
        """What came, in each partition's order; a message may come again until it is acknowledged."""
        ...

    def acknowledge(self, positions: Sequence[Position]) -> None:
        """These are never given to anyone of the group again, nor is what came before them (Kafka)."""
        ...

    def lag(self) -> Lag: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Membership:
    """Who consumes: the stream, a member's name that no other living consumer has, and what it must do
    before partitions of its are given to others."""

    config: StreamConfig
    member: str
    let_go: Callable[[], None]


def address_of(config: StreamConfig) -> str:
    """From the environment."""
    address = os.environ.get(config.address_variable)
    if not address:
        what = "the bootstrap servers, host:port[,host:port…]" if config.broker == "kafka" else "redis://…"
        raise StreamError(f"{config.address_variable} is not set; stream {config.name!r} finds there {what}")
    return address


def connect(membership: Membership) -> Broker:
    """By the kind of broker; raises MissingExtra where its library is not there."""
    return BROKERS[membership.config.broker](membership)


def _kafka(membership: Membership) -> Broker:
    from medallion_assets.streaming.brokers.kafka import Kafka

    return Kafka(membership, address_of(membership.config))


def _redis(membership: Membership) -> Broker:
    from medallion_assets.streaming.brokers.redis_streams import RedisStream

    return RedisStream(membership, address_of(membership.config))


BROKERS: Mapping[str, Callable[[Membership], Broker]] = {"kafka": _kafka, "redis": _redis}
