"""Whole objects on an S3-compatible bucket, and what is known after a request that failed.

Belongs here: each kind of request, and writes whose answer was lost: looked at again, then decided. Does not:
retries and errors (requests.py), or what objects mean (bucket.py).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from medallion_assets.storage.s3.look import ObjectFile
from medallion_assets.storage.s3.requests import (
    NANOSECONDS,
    TRIES,
    MissingExtra,
    NoBucket,
    Refused,
    Unchanged,
    Unconditional,
    Unreachable,
    client,
    is_forbidden,
    is_without_bucket,
    pause,
    require_own_process,
    settings,
    tried,
)

if TYPE_CHECKING:
    import duckdb
    from obstore.store import S3Store

# A larger file is sent in pieces, so that it is never in memory whole. It appears once all have arrived.
WHOLE_PUT_BYTES = 32 << 20
PIECES_AT_ONCE = 4
MOST_PIECES = 9_000  # of an upload, S3 takes 10,000
# The largest object that a bucket copies by itself.
COPY_BYTES = 5 << 30
STREAM_BYTES = 4 << 20
# What is asked for in one go when a file is looked at here and there: a footer of Parquet.
LOOK_BYTES = 64 << 10
# Beside the tables, the object by which a bucket shows that it has conditional writes.
CONDITIONS = ".conditions"


class Object(NamedTuple):
    """What a listing or an answer says of an object; `name` is relative."""

    name: str
    size: int
    etag: str
    written_ns: int


class Objects:
    """The objects of a bucket below a prefix, which ends with a slash or is empty."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix

    @property
    def _store(self) -> S3Store:
        require_own_process()
        return self._connected

    @cached_property
    def _connected(self) -> S3Store:
        return client(self.bucket)

    def below(self, folder: str) -> Objects:
        inner = Objects(self.bucket, f"{self.prefix}{folder}/")
        inner.__dict__["_connected"] = self._store  # with its connections
        return inner

    def url(self, name: str = "") -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}".rstrip("/")

    def get(self, name: str, *, unless: str | None = None) -> tuple[Object, bytes] | None:
        """The object; None where there is none. Raises Unchanged where it has the ETag `unless`."""
        from obstore.exceptions import NotModifiedError

        options: Any = {"if_none_match": unless} if unless else None
        with self._errors("reading", name):
            try:
                return tried(lambda: self._read_whole(name, options))
            except FileNotFoundError as error:
                if is_without_bucket(error):
                    raise
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
                return self._object(tried(lambda: obstore.head(self._store, self.prefix + name)))
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
            found = tried(lambda: obstore.list_with_delimiter(self._store, place or None))
        folders = sorted(path.rpartition("/")[2] for path in found["common_prefixes"])
        return folders, [self._object(each) for each in found["objects"]]

    def stream(self, name: str) -> Iterator[bytes]:
        """The object's bytes as they come; an answer that breaks off is gone on with."""
        start = 0
        for attempt in range(TRIES):
            pause(attempt)
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
        return io.BufferedReader(ObjectFile(self, name, size), LOOK_BYTES)

    def range(self, name: str, start: int, end: int) -> bytes:
        import obstore

        with self._errors("reading", name):
            path = self.prefix + name
            return bytes(tried(lambda: obstore.get_range(self._store, path, start=start, end=end)))

    def put(self, name: str, content: bytes) -> None:
        """Whatever is there; writing it twice is writing it once."""
        import obstore

        with self._errors("writing", name):
            tried(lambda: obstore.put(self._store, self.prefix + name, content, use_multipart=False))

    def put_file(self, name: str, path: Path) -> None:
        """A file that is whole already, under a name that says its content."""
        size = path.stat().st_size
        if size <= WHOLE_PUT_BYTES:
            self.put(name, path.read_bytes())
            return
        with self._errors("writing", name):
            tried(lambda: self._put_pieces(name, path, size))

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
                pause(attempt)
                try:
                    put = obstore.put(
                        self._store, self.prefix + name, content, mode=mode, use_multipart=False
                    )
                    return str(put["e_tag"])
                except (AlreadyExistsError, PreconditionError) as error:
                    failure = error
                except BaseError as error:
                    if is_forbidden(error):
                        raise
                    failure = error
                found = self.get(name)
                if found is not None and found[1] == content:
                    return found[0].etag
                if (found[0].etag if found else None) != etag:
                    return None
            raise Unreachable(self.url(name), "writing", failure or OSError("?"))

    def copy(self, source: str, target: str) -> None:
        """By the bucket itself."""
        import obstore

        with self._errors("copying", source):
            tried(lambda: obstore.copy(self._store, self.prefix + source, self.prefix + target))

    def delete(self, names: Iterable[str]) -> None:
        """What is not there is none to delete."""
        import obstore

        paths = [self.prefix + name for name in names]
        with self._errors("deleting", f"{len(paths)} objects"):
            tried(lambda: obstore.delete(self._store, paths))

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
        duck.register_filesystem(FsspecStore("s3", **settings()))

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
        except (BaseError, FileNotFoundError) as error:
            if is_without_bucket(error):
                raise NoBucket(self.bucket) from error
            if isinstance(error, FileNotFoundError):
                raise
            kind = Refused if is_forbidden(error) else Unreachable
            raise kind(self.url(name), what, error) from error
