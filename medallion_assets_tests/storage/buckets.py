"""A real S3 server on loopback, buckets of it, and a proxy that fails on request."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.storage.s3.bucket import bucket_at
from medallion_assets.storage.store import PartitionStore

REGION = "us-east-1"
HOP = ("connection", "transfer-encoding", "keep-alive", "date", "server")
# What a request is, by its method and the first word of its query.
KINDS = {
    ("GET", "list-type"): "LIST",
    ("GET", "delimiter"): "LIST",
    ("GET", "start-after"): "LIST",
    ("GET", "continuation-token"): "LIST",
    ("POST", "delete"): "DELETE",
}
# What the proxy keeps from the server.
DROPPED_HEADERS: tuple[str, ...] = ()
NUMBERS = count(1)


@contextmanager
def server() -> Iterator[str]:
    """The URL of an S3 server of one's own; the test is skipped where none is installed."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    moto = pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


def environment(endpoint: str, cache: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "MEDALLION_CACHE": str(cache),
    }


def new_bucket(endpoint: str) -> str:
    """Its URL, with a prefix, as shared buckets have one."""
    name = f"data-{next(NUMBERS)}"
    _ask(endpoint, "PUT", f"/{name}")
    return f"s3://{name}/team/store"


def _ask(endpoint: str, method: str, path: str) -> bytes:
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=key/20240101/{REGION}/s3/aws4_request"}
    host, _, port = endpoint.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port))
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return content
    finally:
        connection.close()


def objects(url: str) -> dict[str, bytes]:
    """Every object below the URL with its bytes, those left out that are the store's own."""
    place = bucket_at(url)
    found = {name: place.read(name) for name in place.tree()}
    return {name: content for name, content in found.items() if content is not None}


Rule = Callable[[str, str], str | None]


class Proxy(ThreadingHTTPServer):
    """Hands requests on, counts them, and fails as `rule` says of a method and a path.

    "500" and "503" come before the server has heard of it; "lost" cuts the connection after the server has
    done it, "500 after" answers so then; "short" ends an answer in the middle.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        host, _, port = upstream.removeprefix("http://").partition(":")
        self.upstream = (host, int(port))
        self.rule: Rule = lambda method, path: None
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, *faults: str, method: str, ends: str) -> None:
        """The first requests of this kind, one after the other."""
        waiting = list(faults)
        lock = threading.Lock()

        def rule(asked: str, path: str) -> str | None:
            with lock:
                return waiting.pop(0) if waiting and asked == method and ends in path else None

        self.rule = rule

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
        """Nothing is said."""

    def _handle(self) -> None:
        body = self._body()
        kind = KINDS.get((self.command, self.path.partition("?")[2].partition("=")[0]), self.command)
        self.server.counts[kind] += 1
        fault = self.server.rule(kind, self.path.partition("?")[0])
        if fault is not None:
            self.server.failed.append(f"{fault} {kind}")
        if fault in ("403", "500", "503"):
            self._answer(int(fault), [], b"")
            return
        status, headers, content = self._upstream(body)
        if fault == "lost":
            self._cut()
        elif fault == "500 after":
            self._answer(500, [], b"")
        elif fault == "short":
            self._answer(status, headers, content, send=len(content) // 2)
            self._cut()
        else:
            self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.server.upstream)
        try:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in DROPPED_HEADERS
            }
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, send: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP and not (name.lower() == "content-length" and self.command != "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:send])

    def _cut(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    running = Proxy(upstream)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()


def set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str, cache: Path) -> None:
    for name, value in environment(endpoint, cache).items():
        monkeypatch.setenv(name, value)
    os.environ.pop("AWS_ENDPOINT", None)


def on_another_machine(url: str, endpoint: str, cache: Path) -> PartitionStore:
    """The store of the URL, reached directly, with locks and copies of its own."""
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, endpoint, cache)
        place = bucket_at(url)
        place.folders()  # connects while its address is the one to use
    return PartitionStore(place)
