"""Sending to several channels at once within one deadline, so that a slow one delays nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from medallion_assets.alerts.channels import Channel
from medallion_assets.alerts.failure import outcome_of
from medallion_assets.alerts.outbox import Message, Outcome, Result

DEADLINE_SECONDS = 20.0


def delivered(
    messages: Mapping[str, Message], channels: Mapping[str, Channel], *, deadline: float = DEADLINE_SECONDS
) -> dict[str, Outcome]:
    """What came of each message, by channel. One that is not done in time may arrive, and is sent again."""
    outcomes: dict[str, Outcome] = {}

    def send(name: str) -> None:
        outcomes[name] = _outcome(channels[name], messages[name])

    # A server that sends a byte now and then outlives every time-out of a socket; the thread is left to it.
    threads = [threading.Thread(target=send, args=(name,), daemon=True) for name in messages]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + deadline
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    late = Outcome(Result.FAILED, "timed out")
    return {name: outcomes.get(name, late) for name in messages}


def _outcome(channel: Channel, message: Message) -> Outcome:
    try:
        return Outcome(Result.DELIVERED, channel.send(message))
    except Exception as error:  # whatever it is, the message stays
        return outcome_of(error)
