"""What one channel is still to be told, kept until it has been: nothing is lost, nothing grows without bound.

A message goes out once nothing more has happened for a moment, so that a day that breaks is one message. From
then on neither it nor its id changes: who gets it twice can tell. What happens meanwhile gathers behind it.
Belongs here: when to send what. Does not: sending (channels.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from medallion_assets.alerts.digest import Digest, gathered
from medallion_assets.alerts.ledger import Item
from medallion_assets.storage.manifest import digest_of

SETTLE_SECONDS = 30
LONGEST_WAIT_SECONDS = 120
FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 3600
CHOKES_BEFORE_SHORT = 6


class Result(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"  # the receiver could not be reached, or will have nothing now: the same again later
    CHOKED = (
        "choked"  # the receiver broke down, maybe over this very message: the same again, but not for ever
    )
    REFUSED = "refused"  # the receiver will never have this message: a shorter form of it


@dataclass(frozen=True)
class Outcome:
    """What came of a try; `why` never holds what others wrote, which may repeat a secret."""

    result: Result
    why: str = ""


@dataclass(frozen=True)
class Message:
    """What is sent. `short` where the receiver refused it whole."""

    id: str
    digest: Digest
    short: bool = False


@dataclass(frozen=True)
class Outbox:
    sending: Message | None = None
    waiting: Digest | None = None
    tries: int = 0
    next_try: float = 0.0
    quiet_until: float = 0.0
    why: str = ""  # what the last try failed on


def put(box: Outbox, items: Sequence[Item], *, now: float) -> Outbox:
    return replace(box, waiting=gathered(box.waiting, items, now=now)) if items else box


def sealed(box: Outbox, *, channel: str, now: float) -> Outbox:
    """With a message to send, where one is due."""
    waiting = box.waiting
    if box.sending is not None or waiting is None or now < box.quiet_until:
        return box
    if now - waiting.last_at < SETTLE_SECONDS and now - waiting.first_at < LONGEST_WAIT_SECONDS:
        return box
    content = [(item.news, item.subject.key, item.trouble.fingerprint, item.at) for item in waiting.named]
    name = digest_of([channel, now, content, waiting.counts])[:16]
    return replace(box, sending=Message(name, waiting), waiting=None)


def due(box: Outbox, *, now: float) -> Message | None:
    return box.sending if now >= box.next_try else None


def after(box: Outbox, outcome: Outcome, *, gap: float, now: float) -> Outbox:
    """The outbox once a try came to this. `gap` is for how long the channel then gets nothing new."""
    if outcome.result is Result.DELIVERED:
        return Outbox(waiting=box.waiting, quiet_until=now + gap)
    tries = box.tries + 1
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
    sending = box.sending
    if sending and _will_never_pass(outcome.result, tries):
        sending = replace(sending, short=True)
    return replace(box, sending=sending, tries=tries, next_try=now + pause, why=outcome.why)


def _will_never_pass(result: Result, tries: int) -> bool:
    return result is Result.REFUSED or (result is Result.CHOKED and tries >= CHOKES_BEFORE_SHORT)
