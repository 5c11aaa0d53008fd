"""Redis streams: a consumer group, entries read in order, those that dead consumers left claimed.

Belongs here: commands of Redis and their answers. Does not: what messages say. Redis gives an entry to one
consumer until that acknowledges it, or until it is claimed after lying idle; all of a stream is partition 0.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from medallion_assets.conform.streamed import Position
from medallion_assets.streaming.brokers import Lag, Limit, Membership, Message, Sizes
from medallion_assets.streaming.errors import BrokerDown, MissingExtra, StreamError

FIELD = "data"
ANSWER_SECONDS = 10.0
CLAIM_EVERY_SECONDS = 10.0
# What a living consumer has not landed yet is not idle: it may wait for its batch this many times over.
IDLE_BATCHES = 3
LEAST_IDLE_SECONDS = 30.0
ACKNOWLEDGED_AT_ONCE = 1000
BLOCK_SECONDS = 0.1
Entry = tuple[bytes, dict[bytes, bytes] | None]


class RedisStream:
    """One consumer of a group, named as the member, so that it finds its own entries after a restart."""

    def __init__(self, membership: Membership, url: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise MissingExtra("redis", "a Redis stream") from error
        config = membership.config
        self._errors = redis.exceptions
        self._key, self._group, self._member = config.topic, config.group, membership.member
        self._field = (config.field or FIELD).encode()
        self._idle_ms = int(1000 * max(LEAST_IDLE_SECONDS, IDLE_BATCHES * config.batch.seconds))
        try:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, protocol=2
            )
        except ValueError:
            raise StreamError(
                f"{config.address_variable} holds no address of Redis: redis://, rediss:// or unix://"
            ) from None
        self._joined = False
        self._own: str | None = "0"  # where reading what was ours already goes on; None once all is read
        self._claimed_at, self._claim_from = 0.0, "0-0"
        self._sizes, self.lost = Sizes(), 0

    def poll(self, limit: Limit) -> list[Message]:
        """Own entries of an earlier life first, then those of the dead, then what is new."""
        end = time.monotonic() + limit.seconds
        found: list[Message] = []
        with self._answered():
            self._join()
            while True:
                rows = self._sizes.rows(limit, found)
                before = len(found)
                found += self._next(rows, max(0.0, end - time.monotonic()))
                full = len(found) >= limit.rows or sum(len(each.value) for each in found) >= limit.bytes
                if full or time.monotonic() >= end:
                    return found
                if len(found) > before:  # more may be on its way; not one by one
                    time.sleep(min(0.02, max(0.0, end - time.monotonic())))

    def acknowledge(self, positions: Sequence[Position]) -> None:
        with self._answered():
            for start in range(0, len(positions), ACKNOWLEDGED_AT_ONCE):
                chosen = positions[start : start + ACKNOWLEDGED_AT_ONCE]
                self._redis.xack(self._key, self._group, *(each.offset for each in chosen))

    def lag(self) -> Lag:
        """Redis loses count when it restarts; that nothing is left it always knows."""
        with self._answered():
            last = self._redis.xinfo_stream(self._key)["last-generated-id"]
            groups: Any = self._redis.xinfo_groups(self._key)
        ours = next((each for each in groups if each["name"] == self._group.encode()), None)
        if ours is None:
            return Lag()
        return Lag({0: 0 if ours["last-delivered-id"] == last else ours.get("lag")})

    def close(self) -> None:
        with suppress(self._errors.RedisError, OSError):
            self._redis.close()

    def _join(self) -> None:
        """A group reads the stream from its beginning; a broker that forgot the group is told again."""
        if self._joined:
            return
        try:
            self._redis.xgroup_create(self._key, self._group, id="0", mkstream=True)
        except self._errors.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._joined, self._own = True, "0"

    def _next(self, rows: int, seconds: float) -> list[Message]:
        if self._own is not None:
            entries = self._read(self._own, rows, None)
            self._own = entries[-1][0].decode() if entries else None
            return self._messages(entries)
        if time.monotonic() - self._claimed_at >= CLAIM_EVERY_SECONDS:
            return self._messages(self._claim(rows))
        block = min(BLOCK_SECONDS, seconds)
        return self._messages(self._read(">", rows, max(1, int(1000 * block))))

    def _read(self, start: str, rows: int, block_ms: int | None) -> list[Entry]:
        answer: Any = self._redis.xreadgroup(
            self._group, self._member, {self._key: start}, count=rows, block=block_ms
        )
        return [entry for _, entries in answer or [] for entry in entries]

    def _claim(self, rows: int) -> list[Entry]:
        """Entries that nobody acknowledged for long: their consumer is dead. Page by page, in turns."""
        answer: Any = self._redis.xautoclaim(
            self._key, self._group, self._member, self._idle_ms, self._claim_from, count=rows
        )
        self._claim_from = answer[0].decode()
        if self._claim_from == "0-0":
            self._claimed_at = time.monotonic()
        self.lost += len(answer[2]) if len(answer) > 2 else 0  # Redis 7 has let go of them itself
        return list(answer[1])

    def _messages(self, entries: Sequence[Entry]) -> list[Message]:
        """An entry that was trimmed away before anyone had read it holds nothing any more."""
        found = [
            Message(Position(0, each.decode()), self._value(fields)) for each, fields in entries if fields
        ]
        gone = [each for each, fields in entries if not fields]
        if gone:
            self.lost += len(gone)
            self._redis.xack(self._key, self._group, *gone)
        self._sizes.saw(found)
        return found

    def _value(self, fields: dict[bytes, bytes]) -> bytes:
        """Entries of another make are landed too, as objects of their fields."""
        if self._field in fields:
            return fields[self._field]
        texts = {
            name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()
        }
        return json.dumps(texts, ensure_ascii=False).encode()

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except self._errors.ResponseError as error:
            if not str(error).startswith(("NOGROUP", "LOADING", "UNBLOCKED", "READONLY", "MASTERDOWN")):
                raise StreamError(f"Redis refuses what a consumer of streams asks: {error}") from error
            self._joined = False
            raise BrokerDown(f"Redis is not ready: {str(error).partition(' ')[0]}") from error
        except (self._errors.RedisError, OSError) as error:
            self._joined = False  # it may come back without the group, or without us
            raise BrokerDown(f"Redis does not answer ({type(error).__name__})") from error
