"""Against librdkafka's mock of a Kafka cluster: offsets, groups and rebalances."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.conform.streamed import Position
from medallion_assets.streaming.brokers import Limit, Membership, Message
from medallion_assets.streaming.brokers.kafka import Kafka
from medallion_assets.streaming.consume import Consumer
from medallion_assets.streaming.errors import BrokerDown, StreamError
from medallion_assets_tests.streaming.given import (
    landed_lines,
    landed_positions,
    rollout,
    setup_in,
    stream_config,
)
from medallion_assets_tests.streaming.servers import mock_kafka

pytest.importorskip("confluent_kafka")
PARTITIONS = 4
LIMIT = Limit(100, 1 << 20, 0.1)
SECONDS = 120.0


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with mock_kafka() as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock knows no static members: one that comes back waits until its earlier life is given up."""
    monkeypatch.setattr("medallion_assets.streaming.brokers.kafka.SESSION_MS", 4000)
    monkeypatch.setattr("medallion_assets.streaming.brokers.kafka.HEARTBEAT_MS", 300)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return f"rl-{request.node.name[:40]}"


def send(servers: str, topic: str, messages: Sequence[bytes | None]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers})
    for number, message in enumerate(messages):
        producer.produce(topic, message, partition=number % PARTITIONS)
    assert producer.flush(SECONDS) == 0


@contextmanager
def joined(servers: str, topic: str, member: str = "main", **stream: Any) -> Iterator[Kafka]:
    config = stream_config(broker="kafka", topic=topic, group=topic, **stream)
    broker = Kafka(Membership(config, member, lambda: None), servers)
    try:
        yield broker
    finally:
        broker.close()


def polled(broker: Kafka, count: int) -> list[Message]:
    found: list[Message] = []
    end = time.monotonic() + SECONDS
    while len(found) < count and time.monotonic() < end:
        found += broker.poll(LIMIT)
    return found


def test_offsets_go_on_behind_what_was_acknowledged(servers: str, topic: str) -> None:
    send(servers, topic, [rollout(number) for number in range(8)])
    with joined(servers, topic) as first:
        found = polled(first, 8)
        first.acknowledge([Position(partition, "0") for partition in range(PARTITIONS)])
    assert sorted(each.position for each in found) == [
        Position(partition, str(offset)) for partition in range(PARTITIONS) for offset in range(2)
    ]
    with joined(servers, topic) as second:
        again = polled(second, 4)
    assert sorted(each.position for each in again) == [Position(n, "1") for n in range(PARTITIONS)]


def test_each_partition_comes_in_its_order_and_then_nothing_lags(servers: str, topic: str) -> None:
    """A tombstone is a message that is empty."""
    send(servers, topic, [*(rollout(number) for number in range(39)), None])
    with joined(servers, topic) as broker:
        found = polled(broker, 40)
        assert broker.lag().by_partition == dict.fromkeys(range(PARTITIONS), 0)
    for partition in range(PARTITIONS):
        offsets = [int(each.position.offset) for each in found if each.position.partition == partition]
        assert offsets == list(range(10))
    assert [each.position for each in found if each.value == b""] == [Position(3, "9")]


def test_partitions_that_are_given_to_another_land_first_and_do_not_come_again(
    servers: str, topic: str, tmp_path: Path
) -> None:
    """A rebalance: what is on disk lands and is committed before anyone else has the partitions."""
    setup = setup_in(tmp_path, broker="kafka", topic=topic, group=topic)
    kafkas: dict[str, Kafka] = {}

    def connect(membership: Membership) -> Kafka:
        kafkas[membership.member] = Kafka(membership, servers)
        return kafkas[membership.member]

    def consumer(name: str) -> Consumer:
        return Consumer(setup, connect, member=name, say=lambda _: None)

    def landed() -> int:
        return len(landed_lines(setup))

    send(servers, topic, [rollout(number) for number in range(20)])
    one = consumer("one")
    _take_turns([one], lambda: len(one._held) == 20)
    assert landed_positions(setup) == []
    other = consumer("other")
    _take_turns([one, other], lambda: [len(each._assigned) for each in kafkas.values()] == [2, 2])
    assert len(landed_positions(setup)) == 20
    send(servers, topic, [rollout(number) for number in range(20, 40)])
    # Held or, where the group was shared out once more, landed already.
    _take_turns([one, other], lambda: sum(len(each._held) for each in (one, other)) + landed() == 40)
    one._end()
    other._end()
    assert landed_positions(setup) == [Position(p, str(n)) for p in range(PARTITIONS) for n in range(10)]
    assert len(landed_lines(setup)) == 40


def _take_turns(consumers: list[Consumer], is_enough: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_enough():
        assert time.monotonic() < end
        for consumer in consumers:
            consumer._turn(lambda: False)


def test_messages_of_a_partition_that_was_taken_away_are_dropped(servers: str, topic: str) -> None:
    send(servers, topic, [rollout(number) for number in range(8)])
    with joined(servers, topic) as broker:
        polled(broker, 8)
        send(servers, topic, [rollout(number) for number in range(8)])
        broker._assigned -= {1, 2}
        found = polled(broker, 4)
        broker.acknowledge([each.position for each in found] + [Position(1, "9")])
        places = [broker._client.TopicPartition(topic, n) for n in range(PARTITIONS)]
        committed = broker._consumer.committed(places, timeout=SECONDS)
    assert {each.position.partition for each in found} == {0, 3}
    assert [max(0, each.offset) for each in committed] == [4, 0, 0, 4]


def test_brokers_that_are_not_there_are_waited_for() -> None:
    with joined("127.0.0.1:1", "rl") as broker, pytest.raises(BrokerDown, match="Kafka: "):
        polled(broker, 1)


def test_properties_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "client.properties").write_text("# ours\nclient.id = tested\nno.such.property = 1\n")
    for path, words in (
        ("client.properties", "no.such.property"),
        ("none", "KAFKA_FILE names can't be read"),
    ):
        monkeypatch.setenv("KAFKA_FILE", str(tmp_path / path))
        with (
            pytest.raises(StreamError, match=re.escape(words)),
            joined("127.0.0.1:1", "rl", properties_env="KAFKA_FILE"),
        ):
            pass
