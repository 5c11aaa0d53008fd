"""Whole objects on an S3-compatible bucket, and what is known after a request that failed.

Belongs here: obstore, its errors in our words, retries, and writes whose answer was lost: looked at again,
then decided. Does not: what objects mean (bucket.py) or copies on this machine (cache.py).
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import duckdb
    from obstore.store import S3Store

# A larger file is sent in pieces, so that it is never in memory whole. It appears once all have arrived.
WHOLE_PUT_BYTES = 32 << 20
PIECES_AT_ONCE = 4
MOST_PIECES = 9_000  # of an upload, S3 takes 10,000
# The most that a bucket copies by itself.
COPY_BYTES = 5 << 30
STREAM_BYTES = 4 << 20
# What is asked for in one go when a file is looked at here and there: a footer of Parquet.
LOOK_BYTES = 64 << 10
# Each request is repeated by the client; what it gives up on is looked at and tried again.
REQUEST_TRIES, TRIES = 4, 4
PAUSE_SECONDS = 0.2
IDLE_TIMEOUT, WHOLE_TIMEOUT = timedelta(seconds=120), timedelta(hours=12)
NANOSECONDS = 1_000_000_000
# Beside the tables, the object by which a bucket shows that it has conditional writes.
CONDITIONS = ".conditions"


T = TypeVar("T")


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


class Unconditional(BucketError):
    """A bucket whose writers can't tell who came first."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} is not written to, since its server ignores the condition of a write (If-None-Match): "
            "two writers would lose each other's work. Use a server that has conditional writes"
        )


class Object(NamedTuple):
    """What a listing or an answer says of an object; `name` is relative."""

    name: str
    size: int
    etag: str
    written_ns: int


class Occupied(BucketError):
    """A name at which somebody else is writing other bytes."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} holds other bytes, written within the last hour: somebody else is writing the same "
            "release from other data. Wait for them, then do it again; a killed writer's is written over"
        )


class Objects:
    """The objects of a bucket below a prefix, which ends with a slash or is empty."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix

    @cached_property
    def _store(self) -> S3Store:
        return _client(self.bucket)

    def below(self, folder: str) -> Objects:
        inner = Objects(self.bucket, f"{self.prefix}{folder}/")
        inner.__dict__["_store"] = self._store  # with its connections
        return inner

    def url(self, name: str = "") -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}".rstrip("/")

    def get(self, name: str, *, unless: str | None = None) -> tuple[Object, bytes] | None:
        """The object; None where there is none. Raises Unchanged where it has the ETag `unless`."""
        from obstore.exceptions import NotModifiedError

        options: Any = {"if_none_match": unless} if unless else None
        with self._errors("reading", name):
            try:
                return _tried(lambda: self._read_whole(name, options))
            except FileNotFoundError:
                return None
            except NotModifiedError:
                raise Unchanged from None

    def _read_whole(self, name: str, options: Any) -> tuple[Object, bytes]:
        import obstore

        found = obstore.get(self._store, self.prefix + name, options=options)
        return self._object(found.meta), bytes(found.bytes())

    def head(self, name: str) -> Object | None:
        import obstore

        with self._errors("looking at", name):
            try:
                return self._object(_tried(lambda: obstore.head(self._store, self.prefix + name)))
            except FileNotFoundError:
                return None

    def listed(self, folder: str, *, after: str | None = None) -> Iterator[Object]:
        """All below a folder by name, or those whose names come after one."""
        import obstore

        place = (self.prefix + folder).rstrip("/")
        offset = self.prefix + after if after else None
        with self._errors("listing", folder):
            for chunk in obstore.list(self._store, place or None, offset=offset):
                yield from map(self._object, chunk)

    def children(self, folder: str) -> tuple[list[str], list[Object]]:
        """The folders and the objects directly in a folder."""
        import obstore

        place = (self.prefix + folder).rstrip("/")
        with self._errors("listing", folder):
            found = _tried(lambda: obstore.list_with_delimiter(self._store, place or None))
        folders = sorted(path.rpartition("/")[2] for path in found["common_prefixes"])
        return folders, [self._object(each) for each in found["objects"]]

    def stream(self, name: str) -> Iterator[bytes]:
        """The object's bytes as they come; an answer that breaks off is gone on with."""
        start = 0
        for attempt in range(TRIES):
            time.sleep(PAUSE_SECONDS * (2**attempt - 1))
            try:
                for chunk in self._stream_from(name, start):
                    start += len(chunk)
                    yield chunk
                return
            except Unreachable:
                if attempt == TRIES - 1:
                    raise

    def _stream_from(self, name: str, start: int) -> Iterator[bytes]:
        import obstore

        options: Any = {"range": {"offset": start}} if start else None
        with self._errors("reading", name):
            found = obstore.get(self._store, self.prefix + name, options=options)
            yield from map(bytes, found.stream(min_chunk_size=STREAM_BYTES))

    def opened(self, name: str, size: int) -> IO[bytes]:
        """For a look here and there: each read is a request."""
        return io.BufferedReader(_Object(self, name, size), LOOK_BYTES)

    def range(self, name: str, start: int, end: int) -> bytes:
        import obstore

        with self._errors("reading", name):
            path = self.prefix + name
            return bytes(_tried(lambda: obstore.get_range(self._store, path, start=start, end=end)))

    def put(self, name: str, content: bytes) -> None:
        """Whatever is there; writing it twice is writing it once."""
        import obstore

        with self._errors("writing", name):
            _tried(lambda: obstore.put(self._store, self.prefix + name, content, use_multipart=False))

    def put_file(self, name: str, path: Path) -> None:
        """A file that is whole already, under a name that says its content."""
        size = path.stat().st_size
        if size <= WHOLE_PUT_BYTES:
            self.put(name, path.read_bytes())
            return
        with self._errors("writing", name):
            _tried(lambda: self._put_pieces(name, path, size))

    def _put_pieces(self, name: str, path: Path, size: int) -> None:
        import obstore

        piece = max(WHOLE_PUT_BYTES // 2, -(-size // MOST_PIECES))
        place = self.prefix + name
        obstore.put(
            self._store, place, path, use_multipart=True, chunk_size=piece, max_concurrency=PIECES_AT_ONCE
        )

    def create(self, name: str, content: bytes) -> str | None:
        """Writes an object that is not there yet; its ETag, or None where other bytes are there."""
        return self.swap(name, content, None)

    def swap(self, name: str, content: bytes, etag: str | None) -> str | None:
        """Writes over the object with this ETag, or a new one; its ETag, or None where another one is there.

        A failure says nothing of what the server did: it is looked at, and only what is still as it was is
        tried again. Whoever wrote these very bytes, they are written.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        mode: Any = "create" if etag is None else {"e_tag": etag}
        failure: Exception | None = None
        with self._errors("writing", name):
            for attempt in range(TRIES):
                time.sleep(PAUSE_SECONDS * (2**attempt - 1))
                try:
                    put = obstore.put(
                        self._store, self.prefix + name, content, mode=mode, use_multipart=False
                    )
                    return str(put["e_tag"])
                except (AlreadyExistsError, PreconditionError) as error:
                    failure = error
                except BaseError as error:
                    if _is_forbidden(error):
                        raise
                    failure = error
                found = self.get(name)
                if found is not None and found[1] == content:
                    return found[0].etag
                if (found[0].etag if found else None) != etag:
                    return None
            raise Unreachable(self.url(name), "writing", failure or OSError("?"))

    def copy(self, source: str, target: str, size: int) -> bool:
        """By the bucket itself; whether it does that, which no bucket does with the largest."""
        import obstore

        if size > COPY_BYTES:
            return False
        with self._errors("copying", source):
            _tried(lambda: obstore.copy(self._store, self.prefix + source, self.prefix + target))
        return True

    def delete(self, names: Iterable[str]) -> None:
        import obstore

        for name in names:
            with self._errors("deleting", name):
                _tried(lambda name=name: obstore.delete(self._store, self.prefix + name))  # type: ignore[misc]

    def sha256(self, name: str) -> tuple[int, str]:
        """The object's size and hash, as it is now; raises FileNotFoundError where there is none."""
        digest, size = hashlib.sha256(), 0
        for chunk in self.stream(name):
            digest.update(chunk)
            size += len(chunk)
        return size, digest.hexdigest()

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Has DuckDB read s3:// by the same library, which needs no extension of its own."""
        try:
            from obstore.fsspec import FsspecStore
        except ImportError as error:
            raise MissingExtra from error
        duck.register_filesystem(FsspecStore("s3", **_settings()))

    def require_conditions(self) -> None:
        """Raises Unconditional where the server does not keep what the order of writers rests on."""
        if self.create(CONDITIONS, b"kept\n") is None or self._creates_twice():
            raise Unconditional(self.url())

    def _creates_twice(self) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._errors("writing", CONDITIONS):
            try:
                obstore.put(
                    self._store, self.prefix + CONDITIONS, b"lost\n", mode="create", use_multipart=False
                )
            except AlreadyExistsError:
                return False
            return True

    def _object(self, meta: Any) -> Object:
        written = int(meta["last_modified"].timestamp() * NANOSECONDS)
        return Object(meta["path"][len(self.prefix) :], meta["size"], str(meta["e_tag"]), written)

    @contextmanager
    def _errors(self, what: str, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            kind = Refused if _is_forbidden(error) else Unreachable
            raise kind(self.url(name), what, error) from error


class _Object(io.RawIOBase):
    """An object as a file that is read in its ranges."""

    def __init__(self, objects: Objects, name: str, size: int) -> None:
        super().__init__()
        self._objects, self._name, self._size = objects, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # any buffer, as io declares it
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        content = self._objects.range(self._name, self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _tried(ask: Callable[[], T]) -> T:
    """For what may be asked twice."""
    from obstore.exceptions import GenericError

    for attempt in range(TRIES - 1):
        with suppress(GenericError):
            return ask()
        time.sleep(PAUSE_SECONDS * 2**attempt)
    return ask()


def _is_forbidden(error: Exception) -> bool:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    return isinstance(error, PermissionDeniedError | UnauthenticatedError)


def _client(bucket: str) -> S3Store:
    """As the AWS_* variables say; a server of one's own may speak plain HTTP."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise MissingExtra from error
    return S3Store(bucket, **_settings())


def _settings() -> dict[str, Any]:
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
