"""Kafka: a consumer group with offsets that are committed by hand, once what they stand for has landed.

Belongs here: the client's calls and its rebalances. Does not: what messages say. Messages of a partition that
was taken away are dropped: whoever has it now is given them again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medallion_assets.conform.streamed import Position
from medallion_assets.streaming.brokers import Lag, Limit, Membership, Message, Sizes
from medallion_assets.streaming.errors import BrokerDown, MissingExtra, StreamError

# A consumer that died is noticed after so long; one that comes back under its name earlier keeps its own.
SESSION_MS, HEARTBEAT_MS = 10_000, 1_000
FETCHED_KILOBYTES = 32 << 10
# Not ours any more: somebody else will be given what we could not commit.
LOST = (
    "ILLEGAL_GENERATION",
    "UNKNOWN_MEMBER_ID",
    "REBALANCE_IN_PROGRESS",
    "FENCED_INSTANCE_ID",
    "_NO_OFFSET",
)
# Passes by itself: the client goes on trying.
PASSING = ("_ALL_BROKERS_DOWN", "_TRANSPORT", "_TIMED_OUT", "_RESOLVE", "_MAX_POLL_EXCEEDED", "_STATE")


class Kafka:
    """One member of a group, under a name that survives its restart (static membership)."""

    def __init__(self, membership: Membership, servers: str) -> None:
        try:
            import confluent_kafka as client
        except ImportError as error:
            raise MissingExtra("confluent-kafka", "Kafka") from error
        self._client, self._let_go = client, membership.let_go
        self._topic = membership.config.topic
        self._assigned: set[int] = set()
        self._sizes, self._trouble = Sizes(), ""
        properties = {
            **_properties(membership),
            "bootstrap.servers": servers,
            "group.id": membership.config.group,
            "group.instance.id": membership.member,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "error_cb": self._told,
        }
        try:
            self._consumer = client.Consumer(properties)
        except client.KafkaException as error:
            raise StreamError(f"Kafka's client does not take its properties: {_said(error)}") from error
        self._consumer.subscribe(
            [self._topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._lost
        )

    @property
    def lost(self) -> int:
        """What retention has taken leaves no trace: gaps are usual."""
        return 0

    def poll(self, limit: Limit) -> list[Message]:
        try:
            polled = self._consumer.consume(self._sizes.rows(limit), limit.seconds)
        except self._client.KafkaException as error:
            raise self._failed(error) from error
        found = [each for message in polled if (each := self._message(message)) is not None]
        self._sizes.saw(found)
        trouble, self._trouble = self._trouble, ""
        if trouble and not found:
            raise BrokerDown(trouble)
        return found

    def _message(self, message: Any) -> Message | None:
        """None for what the client has to say, and for what is not ours any more."""
        if (told := message.error()) is not None:
            self._refuse(told)
        elif message.partition() in self._assigned:
            position = Position(message.partition(), str(message.offset()))
            return Message(position, message.value() or b"")
        return None

    def acknowledge(self, positions: Sequence[Position]) -> None:
        """Nothing of partitions that are not ours any more: their new owner is given it again."""
        ends: dict[int, int] = {}
        for position in positions:
            if position.partition in self._assigned:
                end = int(position.offset) + 1
                ends[position.partition] = max(end, ends.get(position.partition, 0))
        offsets = [
            self._client.TopicPartition(self._topic, partition, end) for partition, end in ends.items()
        ]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            except self._client.KafkaException as error:
                if error.args[0].name() not in LOST:
                    raise self._failed(error) from error

    def lag(self) -> Lag:
        """As far as the last fetches told."""
        found: dict[int, int | None] = {}
        held = [self._client.TopicPartition(self._topic, partition) for partition in sorted(self._assigned)]
        for place in self._consumer.position(held) if held else []:
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            known = place.offset >= 0 and high >= 0
            found[place.partition] = max(0, high - place.offset) if known else None
        return Lag(found)

    def close(self) -> None:
        self._consumer.close()

    def _given(self, _: Any, partitions: Sequence[Any]) -> None:
        self._assigned |= {each.partition for each in partitions}

    def _taken(self, _: Any, partitions: Sequence[Any]) -> None:
        """Still ours until we return: what is on disk lands now, and is committed."""
        try:
            self._let_go()
        finally:
            self._assigned -= {each.partition for each in partitions}

    def _lost(self, _: Any, partitions: Sequence[Any]) -> None:
        """Others have them already: what we hold is compared with what they land."""
        self._assigned -= {each.partition for each in partitions}

    def _told(self, error: Any) -> None:
        self._trouble = f"Kafka: {error.name()}"

    def _refuse(self, error: Any) -> None:
        if error.fatal():
            raise StreamError(f"Kafka refuses what a consumer asks: {error.name()}, {error.str()}")
        self._trouble = f"Kafka: {error.name()}"

    def _failed(self, error: Any) -> StreamError:
        told = error.args[0]
        if told.retriable() or told.name() in PASSING:
            return BrokerDown(f"Kafka: {told.name()}")
        return StreamError(f"Kafka refuses what a consumer asks: {told.name()}, {told.str()}")


def _properties(membership: Membership) -> dict[str, str | int]:
    """Ours, where those of the file say nothing else."""
    ours: dict[str, str | int] = {
        "client.id": f"medallion-{membership.member}",
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "queued.max.messages.kbytes": FETCHED_KILOBYTES,
        "fetch.wait.max.ms": 100,
        "isolation.level": "read_committed",
    }
    variable = membership.config.properties_env
    return ours | (_of_file(variable) if variable is not None else {})


def _of_file(variable: str) -> dict[str, str | int]:
    """Lines of name=value, as librdkafka's own tools read them; # begins a comment."""
    path = os.environ.get(variable)
    if not path:
        raise StreamError(f"{variable} is not set; it holds the path of a file of librdkafka's properties")
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise StreamError(f"the file that {variable} names can't be read: {error.strerror}") from error
    pairs = [line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _said(error: Any) -> str:
    return str(error.args[0].str())
