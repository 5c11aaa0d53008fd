"""What the configuration says of automation: when outdated partitions are settled, how much room is to stay.

Belongs here: durations, sizes and the models that are made of them. Does not: what follows from them
(automation/).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
DURATION = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
ROOM = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s?(%|MiB|GiB|TiB)", re.ASCII)


def seconds_of(duration: str) -> int:
    """Of 26h, 93600."""
    match = DURATION.fullmatch(duration)
    if match is None or not int(match[1]):
        raise ValueError("expected a duration: a number and s, m, h, d or w, as in 45m, 26h or 7d")
    return int(match[1]) * SECONDS[match[2]]


def bytes_of(room: str, total: int) -> int:
    """Of 10%, a tenth of `total`; of 50GiB, as many bytes."""
    match = ROOM.fullmatch(room)
    if match is None or (match[2] == "%" and float(match[1]) > 100):
        raise ValueError("expected a share of the disk or a size, as in 10%, 500MiB, 50GiB or 1.5TiB")
    return int(total * float(match[1]) / 100) if match[2] == "%" else int(float(match[1]) * BYTES[match[2]])


def _duration(text: str) -> str:
    seconds_of(text)
    return text


def _room(text: str) -> str:
    bytes_of(text, 0)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Room = Annotated[str, AfterValidator(_room)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettleConfig(_Model):
    """When partitions that are not as they would be if they were built now are built again by themselves."""

    after: Duration = Field(
        default="5m", description="How long nothing more may have become outdated before automation starts."
    )
    changed_rules: Literal["at_night", "by_day"] = Field(
        default="at_night",
        description="Whether new code, configuration and tables wait for the nightly job.",
    )


class DiskRoomConfig(_Model):
    """How much of the store's disk is to stay free: a share or a size."""

    warn: Room = Field(default="10%", description="Less fails the check disk_room with a warning.")
    error: Room = Field(default="3%", description="Less fails it with an error.")
