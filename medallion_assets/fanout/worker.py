"""A worker of a pool: a process that performs the calls which its parent sends, one after the other.

usage: python -m medallion_assets.fanout.worker DESCRIPTOR
Belongs here: its loop and its end. Does not: calls (call.py) or who starts it (pool.py). It ends as soon as
its parent is gone, in the middle of a call too: the store bears that at any moment.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

from medallion_assets.fanout.call import Failed, perform


def main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent decides
    connection = Connection(descriptor)
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    while True:
        connection.send_bytes(_answer(received.get()))


def _receive(connection: Connection, received: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            received.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


def _answer(message: bytes) -> bytes:
    try:
        return pickle.dumps(perform(pickle.loads(message)), protocol=pickle.HIGHEST_PROTOCOL)  # noqa: S301
    except Exception as error:  # what can't be pickled, or not read where this package is another one
        return pickle.dumps(Failed.by(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
