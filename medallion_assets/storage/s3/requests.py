"""How requests to a bucket are made, and what those that failed are called.

Belongs here: the client, retries, errors in our words. Does not: what is asked for (objects.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from obstore.store import S3Store

# Each request is repeated by the client; what it gives up on is looked at and tried again.
REQUEST_TRIES, TRIES = 4, 4
PAUSE_SECONDS = 0.2
IDLE_TIMEOUT, WHOLE_TIMEOUT = timedelta(seconds=120), timedelta(hours=12)

NANOSECONDS = 1_000_000_000

T = TypeVar("T")
_asked_in: dict[str, int] = {}


class BucketError(OSError):
    """A bucket that does not do what is asked of it."""


class Unchanged(Exception):
    """The object is the one that is known."""


class MissingExtra(ImportError):
    """The library for buckets is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "a store on a bucket (MEDALLION_DATA=s3://…) needs obstore, which is not installed: "
            "pip install 'medallion_assets[s3]'"
        )


class Unreachable(BucketError):
    """Requests that went on failing."""

    def __init__(self, url: str, what: str, error: Exception) -> None:
        why = str(error).partition("\n")[0]
        super().__init__(
            f"{what} {url} failed {TRIES} times: {why}. Is AWS_ENDPOINT_URL right and the bucket up? "
            "Run it again when it is: what was stored until then stays and is not made twice"
        )


class Refused(BucketError):
    """A request that the bucket's rules forbid."""

    def __init__(self, url: str, what: str, error: Exception) -> None:
        why = str(error).partition("\n")[0]
        super().__init__(
            f"{what} {url} was refused: {why}. Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION "
            "and what the bucket lets them do"
        )


class NoBucket(BucketError):
    """A bucket that nobody has made."""

    def __init__(self, bucket: str) -> None:
        super().__init__(
            f"there is no such bucket: {bucket}. Make it first, or name another one in MEDALLION_DATA; which "
            "server is asked is up to AWS_ENDPOINT_URL and AWS_REGION"
        )


class Forked(BucketError):
    """A process that was forked from one that had asked already: its requests would wait for ever."""

    def __init__(self) -> None:
        super().__init__(
            "a bucket can't be asked in a process that was forked from one that asked before: "
            "start it by spawn or forkserver"
        )


class Unconditional(BucketError):
    """A bucket whose writers can't tell who came first."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} is not written to, since its server ignores the condition of a write (If-None-Match): "
            "two writers would lose each other's work. Use a server that has conditional writes"
        )


class Occupied(BucketError):
    """A name at which somebody else is writing other bytes."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} holds other bytes, written within the last hour: somebody else is writing the same "
            "release from other data. Wait for them, then do it again; a killed writer's is written over"
        )


def tried(ask: Callable[[], T]) -> T:
    """For what may be asked twice."""
    from obstore.exceptions import GenericError

    for attempt in range(1, TRIES):
        with suppress(GenericError):
            return ask()
        pause(attempt)
    return ask()


def pause(failures: int) -> None:
    """Longer after each failure; none after none."""
    time.sleep(PAUSE_SECONDS * (2**failures - 1))


def is_forbidden(error: Exception) -> bool:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    refused = isinstance(error, PermissionDeniedError | UnauthenticatedError)
    return refused or "status code: 403" in str(error)  # of a listing


def is_without_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def require_library() -> None:
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise MissingExtra from error


def require_own_process() -> None:
    """The library's threads stay behind when a process is forked."""
    if _asked_in.setdefault("process", os.getpid()) != os.getpid():
        raise Forked


def client(bucket: str) -> S3Store:
    """As the AWS_* variables say; a server of one's own may speak plain HTTP."""
    from obstore.store import S3Store

    return S3Store(bucket, **settings())


def settings() -> dict[str, Any]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    return {
        "client_options": {
            "allow_http": endpoint.startswith("http://"),
            "read_timeout": IDLE_TIMEOUT,
            "timeout": WHOLE_TIMEOUT,
        },
        "retry_config": {
            "max_retries": REQUEST_TRIES,
            "retry_timeout": IDLE_TIMEOUT,
            "backoff": {
                "init_backoff": timedelta(seconds=PAUSE_SECONDS),
                "max_backoff": timedelta(seconds=PAUSE_SECONDS * 2**REQUEST_TRIES),
                "base": 2,
            },
        },
    }
