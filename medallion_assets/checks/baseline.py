"""Which of the days before a day it is compared with.

Belongs here: choosing them. Does not: comparing (usual_rates.py, usual_shapes.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

# Fewer days say nothing about what is usual.
LEAST_DAYS = 5
# Where many days have too few records, so many times the days wanted are looked at.
LOOKED_AT = 4
Day = TypeVar("Day")


def days_before(key: str, days: Sequence[str], look: Callable[[str], Day | None], *, most: int) -> list[Day]:
    """What `look` sees in the last so many of the ascending days before this one; None does not count.

    Nothing where there are too few to say what is usual.
    """
    end = bisect_left(days, key)
    near = reversed(days[max(0, end - LOOKED_AT * most) : end])
    seen = (look(day) for day in near)
    found = list(islice((day for day in seen if day is not None), most))
    return found if len(found) >= min(LEAST_DAYS, most) else []
