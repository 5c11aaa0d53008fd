"""Why a stream can't be consumed or read.

StreamError
├── MissingExtra   the broker's client library is not installed
├── BrokerDown     the broker does not answer; it is tried again
├── StreamInUse    somebody else goes by this name already
├── NoStream       nothing of that name is there
└── NotAsServed    what was served can't be had again as it was
"""

from __future__ import annotations


class StreamError(Exception):
    """What was asked for, where, and what to do next."""


class MissingExtra(StreamError):
    """The broker's client library is not installed."""

    def __init__(self, library: str, broker: str) -> None:
        super().__init__(f"{broker} takes {library}, which is not installed: pip install '.[stream]'")


class BrokerDown(StreamError):
    """The broker does not answer; it is tried again."""


class StreamInUse(StreamError):
    """Somebody else goes by this name already."""


class NoStream(StreamError):
    """Nothing of that name is there."""


class NotAsServed(StreamError):
    """What was served can't be had again as it was."""
