"""Whom a soak's alerts are told to: a receiver on loopback that is out of order now and then.

Belongs here: taking messages and keeping them. Does not: which there should be (verdicts.py).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Of so many attempts, the first is refused.
REFUSES_ONE_IN = 3


@dataclass
class Receiver:
    """`messages` are those that were taken, in order; a sender may forget them only then."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    def take(self, body: bytes) -> int:
        """The HTTP status that the sender gets."""
        self.attempts += 1
        if self.attempts % REFUSES_ONE_IN == 1:
            return 503
        self.messages.append(json.loads(body))
        return 200


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(found.take(self.rfile.read(int(self.headers["Content-Length"]))))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the soak prints what it counted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
