"""The configuration of streams: which topics of which brokers feed which source, and the bounds.

Belongs here: its keys and what they may say together. Does not: consuming (streaming/). No address and no
password is written here: `…_env` names the environment variable that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:{}/\-]+$", max_length=249)]
ADDRESSES = {"kafka": "MEDALLION_KAFKA", "redis": "MEDALLION_REDIS"}
Complaint = tuple[tuple[str | int, ...], str]  # the key below the stream, and what is wrong with it


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StreamBatchConfig(_Model):
    """What becomes one export of a partition: whichever bound is reached first."""

    rows: int = Field(default=20_000, ge=1, le=1_000_000)
    bytes: int = Field(default=64 << 20, ge=1 << 10, le=1 << 30)
    seconds: float = Field(default=30, gt=0, le=3600)


class StreamBufferConfig(_Model):
    """How much waits for trainers at most; beyond, stale rollouts go first, then the oldest."""

    rows: int = Field(default=50_000, ge=1)
    bytes: int = Field(default=512 << 20, ge=1 << 20)


class StreamConfig(_Model):
    """A topic of Kafka, or a stream of Redis, whose messages are rollouts."""

    name: Name = Field(description="Slug; `medallion stream <name>` consumes it.")
    source: Name = Field(description="The source that it feeds, of unit rl_rollouts.")
    broker: Literal["kafka", "redis"]
    topic: Topic = Field(description="Kafka's topic, or the key of Redis' stream.")
    group: str = Field(default="medallion", min_length=1, max_length=200, description="Consumer group.")
    address_env: Variable | None = Field(
        default=None,
        description="Environment variable with Kafka's bootstrap servers (default MEDALLION_KAFKA) or Redis' "
        "URL (MEDALLION_REDIS).",
    )
    properties_env: Variable | None = Field(
        default=None,
        description="Environment variable with the path of a file of librdkafka's properties (kafka only).",
    )
    field: str | None = Field(
        default=None, min_length=1, description="Field of an entry that holds the rollout (redis only): data."
    )
    batch: StreamBatchConfig = StreamBatchConfig()
    buffer: StreamBufferConfig = StreamBufferConfig()

    @property
    def address_variable(self) -> str:
        return self.address_env or ADDRESSES[self.broker]


def stream_complaints(
    stream: StreamConfig, *, units: Mapping[str, str], redacted: set[str], unit: str
) -> Iterator[Complaint]:
    """What no single key can see. `units` has the unit of each source."""
    if units.get(stream.source) != unit:
        feeding = sorted(name for name, each in units.items() if each == unit)
        allowed = f"allowed: {', '.join(feeding)}" if feeding else f"no source feeds {unit}"
        yield ("source",), f"{stream.source!r} is no source of {unit}; {allowed}"
    if stream.source in redacted:
        yield ("source",), f"{stream.source!r} is redacted before anything is stored; a stream stores at once"
    if stream.properties_env is not None and stream.broker != "kafka":
        yield ("properties_env",), "are librdkafka's; leave it out for redis"
    if stream.field is not None and stream.broker != "redis":
        yield ("field",), "is one of a Redis entry; leave it out for kafka"
