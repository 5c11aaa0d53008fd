"""Best-fit decreasing over a whole partition: which document goes into which bin.

Belongs here: the plan, on lengths alone. Does not: tokens (sft.py). The plan is a pure function of
(lengths, order), so no batch size, worker count or memory limit can change it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


def best_fit_decreasing(lengths: Sequence[int], order: Iterable[int], capacity: int) -> list[list[int]]:
    """Bins of document numbers, each with lengths summing to at most `capacity`.

    `order` visits the documents, longest first. Each goes where it leaves the least room. The room that
    open bins have left is a bit set, so the tightest fit is one shift and one lowest bit.
    """
    bins: list[list[int]] = []
    by_room: defaultdict[int, list[int]] = defaultdict(list)
    rooms = 0
    for document in order:
        length = lengths[document]
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            chosen = by_room[room].pop()
            if not by_room[room]:
                rooms ^= 1 << room
        else:
            room, chosen = capacity, len(bins)
            bins.append([])
        bins[chosen].append(document)
        by_room[room - length].append(chosen)
        rooms |= 1 << (room - length)
    return bins


def one_per_bin(lengths: Sequence[int], order: Iterable[int], capacity: int) -> list[list[int]]:
    """No packing: every document alone."""
    return [[document] for document in order]


PACKINGS = {"best_fit": best_fit_decreasing, "none": one_per_bin}
