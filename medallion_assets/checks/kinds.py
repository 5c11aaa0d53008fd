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
    """`holds` says what is true of a sound partition; `fault` what was found where it is not."""

    severity: Literal["error", "warning"]
    blocks: bool
    holds: str
    fault: str


KINDS: Mapping[str, Kind] = {
    "immutable": Kind(
        "error",
        True,
        "Every export that bronze took is there, in files that are as they were written.",
        "Exports are gone or were changed",
    ),
    "readable_exports": Kind(
        "error",
        False,
        "No export lies in quarantine. Replace a broken file by a sound one of the same name.",
        "Exports could not be read",
    ),
    "schema": Kind(
        "error",
        True,
        "Files have the declared columns in their declared types, and the rows that the manifest counts.",
        "Files are not what is declared",
    ),
    "conservation": Kind(
        "error",
        True,
        "Every record that entered left once: as a row or as a reject. Compared by identity.",
        "Records were lost, or are there too often",
    ),
    "unique_ids": Kind(
        "error",
        True,
        "No record is there twice: not within a partition, nor in two partitions of one run.",
        "Records are there more than once",
    ),
    "uncontaminated": Kind(
        "error",
        True,
        "Nothing that was kept gives an item of an evaluation set away: not by the day's verdicts, nor, in "
        "a sample, word for word.",
        "Records that give evaluations away were kept",
    ),
    "reject_rate": Kind(
        "warning",
        False,
        "No more of a day is rejected than the source may lose (`max_reject_rate`).",
        "More was rejected than the source may lose",
    ),
    "usual_reject_rate": Kind(
        "warning",
        False,
        "As much of a day is rejected as on the source's days before it.",
        "Rejects are unlike those of the days before",
    ),
    "removal_rate": Kind(
        "warning",
        False,
        "No source loses more of a day to duplicates and decontamination than it may (`max_removal_rate`). "
        "Where much goes, a template may have been taken for a text: compare other parts (`compare`).",
        "More was removed than the source may lose",
    ),
    "usual_removal_rate": Kind(
        "warning",
        False,
        "As much of a source's day is removed as of its days before: duplicates and decontamination.",
        "Removals are unlike those of the days before",
    ),
    "usual_lengths": Kind(
        "warning",
        False,
        "The records kept of a source are as long as those of its days before, beyond what chance explains.",
        "Lengths are unlike those of the days before",
    ),
    "usual_languages": Kind(
        "warning",
        False,
        "The records kept of a source are in the languages of its days before, beyond what chance explains.",
        "Languages are unlike those of the days before",
    ),
    "packing_efficiency": Kind(
        "warning",
        False,
        "Bins are as full as the recipe asks (`min_packing_efficiency`), the last one left out of account.",
        "Bins are too empty",
    ),
    "intact": Kind(
        "error",
        False,
        "Every file that a manifest names is there at its size, a sample has the bytes that were written, "
        "and no export that was taken is missing from bronze.",
        "Files are gone or were changed",
    ),
    "reproducible": Kind(
        "error",
        False,
        "One partition of each table, another every night, comes out byte for byte as it is when it is built "
        "again in a scratch store.",
        "Partitions came out otherwise when built again",
    ),
    "unique_history": Kind(
        "error",
        False,
        "No record of a unit is there twice in its whole history.",
        "Records are there on more than one day",
    ),
}
