"""`medallion stream`: from the configuration to a consumer that runs until it is told to end.

Belongs here: putting one together, signals, the member's lock. Does not: consuming (consume.py).
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medallion_assets.config.checks import choose_from
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.config.stream import StreamConfig
from medallion_assets.roots import Roots
from medallion_assets.stages import SourceStages, stages_of
from medallion_assets.streaming.brokers import connect
from medallion_assets.streaming.consume import Consumer, Say, Setup
from medallion_assets.streaming.errors import NoStream, StreamError, StreamInUse
from medallion_assets.streaming.places import TRIES, Places, held, streams_folder
from medallion_assets.streaming.prepared import Plan

MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}", re.ASCII)


def consume(setup: Setup, *, member: str, say: Say) -> None:
    """Until SIGTERM or SIGINT, at which everything polled is landed and acknowledged."""
    if not MEMBER.fullmatch(member):
        raise StreamError(f"{member!r} is no name of a member: letters, digits and . _ -, at most 100")
    stream = setup.config
    with held(setup.places.members / member, tries=TRIES) as is_free:
        if not is_free:
            raise StreamInUse(
                f"a member {member!r} consumes {stream.name} already; end it, or give another name: --member"
            )
        with ending_by_signal() as is_over:
            consumer = Consumer(setup, connect, member=member, say=say)
            say(f"consuming {stream.broker} {stream.topic!r} as {member!r} of group {stream.group!r}")
            consumer.run(is_over)
            say("everything that was polled has landed")


def setup_called(name: str, config: PipelineConfig, roots: Roots, *, base: Path) -> Setup:
    """`base` is the folder that relative paths of the configuration start from."""
    stream = stream_called(name, config)
    sources = stages_of(config, roots, base=base).sources
    return setup_of(
        stream, next(each for each in sources if each.config.name == stream.source), config, roots
    )


def stream_called(name: str, config: PipelineConfig) -> StreamConfig:
    """By its own name, or by that of a source that no other stream feeds."""
    found = [each for each in config.streams if each.name == name]
    found = found or [each for each in config.streams if each.source == name]
    if len(found) == 1:
        return found[0]
    if not config.streams:
        raise NoStream("the configuration has no streams; docs/streaming.md says how one is written")
    raise NoStream(f"{name!r} names no stream; {choose_from(name, [each.name for each in config.streams])}")


def setup_of(stream: StreamConfig, source: SourceStages, config: PipelineConfig, roots: Roots) -> Setup:
    conformed, bronze = source.conformed, source.bronze
    plan = Plan(
        stream=stream.name,
        topic=stream.topic,
        source=stream.source,
        format=conformed.format,
        code=conformed.code_version,
        landing=str(bronze.landing / stream.name),
        store=str(roots.store),
        options=conformed.options,
        quality=conformed.quality,
        record_bytes=bronze.limits.record_bytes,
    )
    max_lag = config.rollouts.max_policy_lag
    assert max_lag is not None  # noqa: S101  # the configuration was checked
    places = Places(streams_folder(roots.data) / stream.name)
    return Setup(stream, plan, places, max_lag, bronze.rules.marker)


@contextmanager
def ending_by_signal() -> Iterator[Callable[[], bool]]:
    """Whether to end: SIGTERM or SIGINT came. What was begun is finished first."""
    asked = threading.Event()
    chosen = (signal.SIGTERM, signal.SIGINT)
    before = {each: signal.signal(each, lambda *_: asked.set()) for each in chosen}
    try:
        yield asked.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
