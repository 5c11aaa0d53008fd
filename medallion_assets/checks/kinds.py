"""Every check by its name: how grave a failure is, whether it stops what follows, and the words for it.

Belongs here: the one table of severities. Does not: what is looked at (the modules beside this one) or which
assets have which checks (asset_checks.py, store_checks.py). docs/checks.md says what to do about each.

An error is wrong whatever the data are like; a warning is what a person should look at and may find right.
An error blocks where going on would put it into training data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """`holds` says what is true of a sound partition; `fault` what was found where it is not, `remedy` what
    to do then."""

    severity: Literal["error", "warning"]
    blocks: bool
    holds: str
    fault: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "immutable": Kind(
        "error",
        True,
        "Every export that bronze took is there, in files that are as they were written.",
        "Files of exports are gone or were changed",
        "Delete the file and materialize the day: it is made again from the bytes that bronze keeps.",
    ),
    "readable_exports": Kind(
        "error",
        False,
        "No export lies in quarantine, whichever day it landed on.",
        "Exports could not be read",
        "Put a sound file of the same name in its place.",
    ),
    "conservation": Kind(
        "error",
        True,
        "Every record that entered left once: as a row or as a reject. Compared by identity.",
        "Records were lost, or are there too often",
        "Materialize these partitions again, with those that they are made of.",
    ),
    "reject_rate": Kind(
        "warning",
        False,
        "No more of a day is rejected than the source may lose (max_reject_rate), and about as much as on "
        "the days before it.",
        "Too many records were rejected, or unusually many or few",
        "Look at the reasons, then at the feed; a change that is right becomes usual.",
    ),
    "unique_ids": Kind(
        "error",
        True,
        "No record is there twice: not within a partition, nor in two partitions of one run.",
        "Records are there more than once",
        "Materialize these partitions again.",
    ),
    "uncontaminated": Kind(
        "error",
        True,
        "Nothing that was kept gives an item of an evaluation set away: not by the day's verdicts, nor, "
        "in a sample, word for word.",
        "Records that give evaluations away were kept",
        "Materialize the contamination table and the unit for these partitions.",
    ),
    "removal_rate": Kind(
        "warning",
        False,
        "No source loses more of a day to duplicates and decontamination than it may (max_removal_rate), "
        "and each about as much as on the days before it.",
        "Too many records were removed, or unusually many or few",
        "Was the day delivered before, or a template taken for a text (compare)?",
    ),
    "packing_efficiency": Kind(
        "warning",
        False,
        "Bins are as full as checks.min_packing_efficiency asks, one that takes what is left over apart.",
        "Bins are too empty",
        "Raise max_length, or let too_long split records.",
    ),
    "drift": Kind(
        "warning",
        False,
        "The records kept of a source are as long, and in the same languages, as those of the days before "
        "it.",
        "Lengths or languages are unlike those of the days before",
        "Look at the profile of the day; a change that is right becomes usual.",
    ),
    "intact": Kind(
        "error",
        False,
        "Every file that a manifest names is there at its size, a sample with the bytes that were written.",
        "Files are gone or were changed",
        "Bronze and raw bytes: from a back-up; others: delete the file and materialize the partition.",
    ),
    "schema": Kind(
        "error",
        False,
        "All files have the columns that are declared, in their types, and the rows that manifests count. "
        "Rows that do not fit are never written, and a partition of another version is never read.",
        "Files are not what is declared",
        "Materialize these partitions again.",
    ),
    "unique_history": Kind(
        "error",
        False,
        "No record of a unit is there twice in its whole history.",
        "Records are there more than once",
        "Materialize these partitions again.",
    ),
    "reproducible": Kind(
        "error",
        False,
        "One partition of each table, another every night, comes out byte for byte as it is when it is "
        "built again in a scratch store.",
        "Partitions came out otherwise when built again",
        "Was a file edited, or a library changed in place? If not, it is a fault of the code.",
    ),
}
