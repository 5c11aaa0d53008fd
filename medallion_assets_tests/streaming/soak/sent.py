"""What is sent: rollouts by number, so that the same number is the same rollout wherever it turns up.

Belongs here: one rollout, and the process that sends them all, each once. Does not: what is judged.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

KEY = "rl:live"
ROLLOUTS_A_VERSION = 5_000
LATE_SHARE, MOST_LATE = 0.03, 9
BATCH = 50
# Ids of our own: what may have been stored before the broker died is refused when it is sent again.
FIRST_MS = 1_700_000_000_000


def version_of(number: int) -> int:
    """A few come from workers that still run an old policy."""
    now = 10 + number // ROLLOUTS_A_VERSION
    late = Random(number)
    return now - (late.randint(1, MOST_LATE) if late.random() < LATE_SHARE else 0)


def is_right(number: int) -> bool:
    return number % 3 != 0


def rollout(number: int, sent_at: float) -> bytes:
    answered = _answer(number) + (not is_right(number))
    row = {
        "prompt": f"Question {number}: {number % 97} + {number % 89}?",
        "completion": f"Adding the two numbers of question {number}.\n#### {answered}",
        "answer": str(_answer(number)),
        "run": "soak",
        "step": number // 256,
        "sample": number % 256,
        "policy_version": version_of(number),
        "id": f"{number}@{sent_at:.3f}",
    }
    return json.dumps(row).encode()


def _answer(number: int) -> int:
    return number % 97 + number % 89


def id_of(number: int) -> str:
    return f"{FIRST_MS + number // 1000}-{number % 1000}"


def parsed(uid: str) -> tuple[int, float]:
    number, _, sent_at = uid.partition("@")
    return int(number), float(sent_at)


def main(socket: str, count: int, rate: float) -> None:
    import redis

    client = redis.Redis(unix_socket_path=socket, protocol=2, socket_timeout=5)
    started = time.monotonic()
    for first in range(0, count, BATCH):
        time.sleep(max(0.0, started + first / rate - time.monotonic()))
        left: Sequence[int] = range(first, min(first + BATCH, count))
        while left:
            with suppress(redis.RedisError, OSError):
                left = _sent(client, left)
            if left:
                time.sleep(0.1)


def _sent(client: Any, numbers: Sequence[int]) -> list[int]:
    """Those that are to be sent again."""
    pipe = client.pipeline(transaction=False)
    now = time.time()
    for number in numbers:
        pipe.xadd(KEY, {"data": rollout(number, now)}, id=id_of(number))
    answers = pipe.execute(raise_on_error=False)
    pairs = zip(numbers, answers, strict=True)
    return [
        number
        for number, each in pairs
        if isinstance(each, Exception) and "equal or smaller" not in str(each)
    ]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
