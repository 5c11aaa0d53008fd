"""Sample support tickets: a sensitive feed, with addresses, phone numbers and notes that must not be stored.

Belongs here: its text, in which every name, address and number is made up, and its shape. Does not: what is
redacted (the pipeline's configuration says that).
"""

from __future__ import annotations

import random
from typing import Any

from medallion_assets.demo.containers import jsonl
from medallion_assets.demo.text import seeded

NAMES = ("ada.lind", "bo.marsh", "carla.ivers", "dev.okoro", "elif.stone", "finn.abara", "gita.holm")
ITEMS = ("the kettle", "the lamp", "the rain gauge", "the desk", "the bicycle pump", "the sieve")
FAULTS = (
    "came with a crack",
    "hums at night",
    "lacks two screws",
    "stopped after a week",
    "is the wrong colour",
)
CURES = (
    "A new one leaves our shop today.",
    "Please send it back, postage is on us.",
    "We refund it in full.",
)
NOTE = "Internal: second complaint this year, handle with care."


def tickets(seed: int, count: int) -> bytes:
    """JSONL, a ticket a line."""
    chance = seeded(seed)
    return jsonl([_ticket(chance, seed * 10_000 + number) for number in range(count)])


def _ticket(chance: random.Random, number: int) -> dict[str, Any]:
    item, fault = chance.choice(ITEMS), chance.choice(FAULTS)
    address, phone = _address(chance), _phone(chance)
    reach = chance.choice(
        (f"Write to {address}.", f"Call me on {phone}.", f"Mail {address} or call {phone}.")
    )
    order = chance.randint(1_000, 9_999)
    return {
        "id": f"T-{number}",
        "customer_id": f"C-{chance.randint(100, 999)}",
        "agent_notes": f"{NOTE} Last seen as {address}.",
        "messages": [
            {"role": "user", "content": f"In order {order}, {item} {fault}. {reach}"},
            {"role": "assistant", "content": f"I am sorry that {item} {fault}. {chance.choice(CURES)}"},
        ],
    }


def _address(chance: random.Random) -> str:
    return f"{chance.choice(NAMES)}{chance.randint(1, 99)}@example.com"


def _phone(chance: random.Random) -> str:
    """Of the range that the United Kingdom keeps for fiction."""
    return f"+44 20 7946 0{chance.randint(0, 999):03}"
