"""What becomes of a conversation that is longer than a recipe takes: rejected, split or cut off.

Belongs here: which of its tokens go on, for each policy. Does not: where those go (units/sft_pairs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from medallion_assets.package.recipe import Packaging
from medallion_assets.package.render.plain import Flags, Numbers
from medallion_assets.package.tokens.encode import Flat, Signed
from medallion_assets.records import Rejected

Range = tuple[int, int]


@dataclass(frozen=True)
class Ranges:
    """Documents, in order: the place of the text that each is of, ascending, and its tokens [start, end)
    of that text's: int64 (documents,)."""

    places: Numbers
    starts: Numbers
    ends: Numbers


def ranges_of(signed: Flat, rules: Packaging) -> tuple[Ranges, dict[int, Rejected]]:
    """What of each text goes on, each document with something to learn, or by place why it doesn't."""
    whole = (signed.lengths <= rules.max_length) & _learned(signed)
    rejects: dict[int, Rejected] = {}
    found = [
        np.stack([np.flatnonzero(whole), np.zeros(whole.sum(), np.int64), signed.lengths[whole]], axis=1)
    ]
    for place in np.flatnonzero(~whole).tolist():
        ranges = _ranges_of(signed.of(place), rules)
        if isinstance(ranges, Rejected):
            rejects[place] = ranges
        else:
            found.append(np.array([(place, *range_) for range_ in ranges], np.int64))
    together = np.concatenate(found)
    places, starts, ends = together[np.argsort(together[:, 0], kind="stable")].T
    return Ranges(places, starts, ends), rejects


def _learned(signed: Flat) -> Flags:
    """Whether each text has a token that is learned."""
    found = np.zeros(len(signed.lengths), bool)
    filled = signed.lengths > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(signed.ids, signed.borders[:-1][filled]) >= 0
    return found


def _ranges_of(signed: Signed, rules: Packaging) -> Sequence[Range] | Rejected:
    """Of a text that doesn't go on whole."""
    if len(signed) > rules.max_length:
        return TOO_LONG[rules.too_long](signed, rules.max_length)
    return Rejected("nothing_to_learn", "the template leaves no token of the assistant's")


def reject(signed: Signed, max_length: int) -> Rejected:
    return Rejected("too_long", f"{len(signed)} tokens; max_length is {max_length}")


def split(signed: Signed, max_length: int) -> Sequence[Range] | Rejected:
    """As few pieces as can be, cut only after answers that are learned, so that each piece ends with one.

    Turns that are not learned go with the next answer that is, since they are its context; those after the
    last answer go with that. Where the tokens from one answer's end to the next's are too many, all goes.
    """
    ends = answer_ends(signed)
    if not ends:
        return Rejected("nothing_to_learn", "the template leaves no token of the assistant's")
    borders = [0, *ends[:-1], len(signed)]
    longest = max(after - before for before, after in pairwise(borders))
    if longest > max_length:
        told = f"{len(signed)} tokens, of them {longest} without an answer's end to split at"
        return Rejected("too_long", f"{told}; max_length is {max_length}")
    return _greedy(borders, max_length)


def truncate(signed: Signed, max_length: int) -> Sequence[Range] | Rejected:
    if not (signed[:max_length] >= 0).any():
        told = f"the first {max_length} of {len(signed)} tokens, which are kept, hold none of the assistant's"
        return Rejected("nothing_to_learn", told)
    return [(0, max_length)]


TOO_LONG = {"reject": reject, "split": split, "truncate": truncate}


def answer_ends(signed: Signed) -> list[int]:
    """Where runs of learned tokens end: after an answer's end mark."""
    learned = np.concatenate([signed >= 0, [False]])
    ends: list[int] = (np.flatnonzero(learned[:-1] & ~learned[1:]) + 1).tolist()
    return ends


def _greedy(borders: Sequence[int], max_length: int) -> list[Range]:
    """Each piece is as long as it can be."""
    cuts = [borders[0]]
    for before, after in pairwise(borders):
        if after - cuts[-1] > max_length:
            cuts.append(before)
    return list(pairwise([*cuts, borders[-1]]))
