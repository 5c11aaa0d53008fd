"""Against a real Redis: groups, claims, kills of consumer and broker, and the way through silver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.config.file import check
from medallion_assets.conform.streamed import Position
from medallion_assets.release import load_stream, replay
from medallion_assets.roots import Roots
from medallion_assets.stages import stages_of
from medallion_assets.storage.store import PartitionStore
from medallion_assets.streaming.brokers import Limit, Membership
from medallion_assets.streaming.brokers.redis_streams import RedisStream
from medallion_assets.streaming.errors import BrokerDown, StreamError
from medallion_assets.streaming.status import statuses
from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.streaming.given import (
    configuration,
    landed_lines,
    landed_positions,
    rollout,
    setup_in,
    stream_config,
)
from medallion_assets_tests.streaming.servers import REDIS, Member, Redis, consuming, running_redis

pytestmark = pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")
KEY = "rl:live"
ALL = Limit(100, 1 << 20, 0.05)
SECONDS = 60.0


@pytest.fixture
def redis() -> Iterator[Redis]:
    with running_redis() as server:
        yield server


def send(server: Redis, messages: list[bytes]) -> list[str]:
    pipe = server.client().pipeline()
    for message in messages:
        pipe.xadd(KEY, {"data": message})
    return [each.decode() for each in pipe.execute()]


def joined(server: Redis, member: str = "main", **stream: Any) -> RedisStream:
    return RedisStream(Membership(stream_config(**stream), member, lambda: None), server.url)


def polled(broker: RedisStream) -> list[str]:
    """Of several polls: those that claim or read again come first."""
    return [each.position.offset for _ in range(4) for each in broker.poll(ALL)]


def test_a_consumer_that_comes_back_finds_what_it_had_not_acknowledged(redis: Redis) -> None:
    ids = send(redis, [rollout(number) for number in range(4)])
    first = joined(redis)
    assert polled(first) == ids
    first.acknowledge([Position(0, ids[1])])
    assert polled(joined(redis)) == [ids[0], *ids[2:]]


def test_what_a_dead_consumer_held_is_claimed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = send(redis, [rollout(number) for number in range(3)])
    assert polled(joined(redis, "dead")) == ids
    monkeypatch.setattr("medallion_assets.streaming.brokers.redis_streams.LEAST_IDLE_SECONDS", 0.0)
    heir = joined(redis, "heir", batch={"seconds": 0.001})
    assert polled(heir) == ids
    heir.acknowledge([Position(0, each) for each in ids])
    assert redis.client().xpending(KEY, "medallion")["pending"] == 0


def test_a_killed_broker_is_back_with_everything(redis: Redis) -> None:
    ids = send(redis, [rollout(number) for number in range(3)])
    broker = joined(redis)
    assert polled(broker) == ids
    redis.kill()
    with pytest.raises(BrokerDown):
        broker.poll(ALL)
    redis.start()
    more = send(redis, [rollout(3)])
    assert polled(broker) == [*ids, *more]
    assert broker.lag().by_partition == {0: 0}


def test_a_broker_that_forgot_the_stream_is_joined_again(redis: Redis) -> None:
    broker = joined(redis)
    broker.poll(ALL)
    redis.client().flushall()
    with pytest.raises(BrokerDown):
        broker.poll(ALL)
    ids = send(redis, [rollout(0)])
    assert polled(broker) == ids


def test_entries_that_are_no_messages_come_as_objects_and_trimmed_ones_not_at_all(redis: Redis) -> None:
    client = redis.client()
    client.xadd(KEY, {"step": "1", "b": b"\xff"})
    broker = joined(redis)
    assert [each.value for each in broker.poll(ALL)] == ['{"step": "1", "b": "\ufffd"}'.encode()]
    client.xtrim(KEY, maxlen=0)
    again = joined(redis)
    assert (polled(again), again.lost) == ([], 1)
    assert client.xpending(KEY, "medallion")["pending"] == 0


def test_a_poll_is_bounded_by_bytes(redis: Redis) -> None:
    send(redis, [b"x" * 10_000] * 64)
    broker = joined(redis)
    sizes = [len(broker.poll(Limit(100, 50_000, 0.05))) for _ in range(8)]
    assert max(sizes[1:]) <= 6


def test_a_key_of_another_kind_is_refused_with_words(redis: Redis) -> None:
    redis.client().set(KEY, "text")
    with pytest.raises(StreamError, match="WRONGTYPE"):
        joined(redis).poll(ALL)


def test_killed_consumers_and_brokers_lose_and_repeat_nothing(redis: Redis, tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    member = Member(tmp_path, {"MEDALLION_REDIS": redis.url}, batch={"rows": 40})
    with consuming(member):
        ids = send(redis, [rollout(number) for number in range(100)])
        wait_for(lambda: len(landed_lines(setup)) >= 40, seconds=SECONDS, what=f"exports: {member.log}")
        member.kill()
        ids += send(redis, [rollout(number) for number in range(100, 200)])
        member.start()
        wait_for(lambda: _is_given_out(redis), seconds=SECONDS, what=f"polls: {member.log}")
        redis.kill()
        redis.start()
        ids += send(redis, [rollout(number) for number in range(200, 250)])
        steps = list(load_stream(setup.places.root, consumer="t", rows=50, patience=3))
        assert member.stop() == 0, member.log
    assert [each.offset for each in landed_positions(setup)] == ids
    served = [each for step in steps for each in step.rows["source_id"].to_pylist()]
    assert sorted(served) == sorted(f"a-{number}" for number in range(250))
    again = replay(setup.places.root, consumer="t")
    assert [each.rows.to_pylist() for each in again] == [each.rows.to_pylist() for each in steps]
    assert redis.client().xpending(KEY, "medallion")["pending"] == 0


def _is_given_out(server: Redis) -> bool:
    client = server.client()
    [group] = client.xinfo_groups(KEY)
    return bool(group["last-delivered-id"] == client.xinfo_stream(KEY)["last-generated-id"])


def _polled(members: Path) -> int:
    return sum(each.polled for each in statuses(members))


def test_streamed_rollouts_go_through_silver_and_are_replayed_from_bronze(
    redis: Redis, tmp_path: Path
) -> None:
    setup = setup_in(tmp_path)
    bad = [b"\xff", b"no json"]
    send(redis, [rollout(n, answer=4 + n % 2) for n in range(6)] + bad + [rollout(9, version=9)])
    with consuming(Member(tmp_path, {"MEDALLION_REDIS": redis.url}, batch={"seconds": 0.2})) as [member]:
        wait_for(lambda: len(landed_lines(setup)) == 9, seconds=SECONDS, what=f"exports: {member.log}")
        [step] = load_stream(setup.places.root, consumer="t", rows=1, patience=0.5)
        assert member.stop() == 0
    roots = Roots(tmp_path / "data", tmp_path / "landing")
    stages = stages_of(check(configuration()), roots, base=tmp_path)
    store, day = PartitionStore(roots.data), datetime.now(UTC).date().isoformat()
    [source] = stages.sources
    inventory = source.bronze.inventory(store, wait=True)
    store.append(source.bronze.table, day, source.bronze.builds(store, [day], inventory)[day])
    for stage in (source.conformed, stages.units["rl_rollouts"]):
        store.overwrite(stage.table, day, stage.build(store, day))
    rows = [
        row for batch in store.batches(stages.units["rl_rollouts"].table, day) for row in batch.to_pylist()
    ]
    assert [(row["source_id"], row["reward"], row["reward_origin"]) for row in rows] == [
        ("a-9", 1.0, "verifier:gsm8k")
    ]
    assert rows[0]["record_id"] == step.rows["record_id"][0].as_py()
    assert _reasons(store, source.conformed.table, day) == ["invalid_json", "invalid_utf8"]
    assert _reasons(store, stages.units["rl_rollouts"].table, day) == ["stale_policy"] * 6
    for export in Path(setup.plan.landing).rglob("*.jsonl"):
        export.unlink()
    [again] = replay(setup.places.root, consumer="t")
    assert again.rows.to_pylist() == step.rows.to_pylist()


def _reasons(store: PartitionStore, table: Any, day: str) -> list[str]:
    batches = store.batches(table, day, rejects=True)
    return sorted(reason for batch in batches for reason in batch.column("reason").to_pylist())


def test_a_stopped_consumer_has_landed_and_acknowledged_what_it_polled(redis: Redis, tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    ids = send(redis, [rollout(number) for number in range(5)])
    with consuming(Member(tmp_path, {"MEDALLION_REDIS": redis.url}, batch={"seconds": 600})) as [member]:
        wait_for(lambda: _polled(setup.places.members) == 5, seconds=SECONDS, what=f"polls: {member.log}")
        assert landed_positions(setup) == []
        assert member.stop() == 0
    assert [each.offset for each in landed_positions(setup)] == ids
    assert [each.state for each in statuses(setup.places.members)] == ["stopped"]
