"""Why something can't be done with a release.

ReleaseError
├── NoRelease        nothing of that name is there
├── DamagedRelease   a file of the release is missing or not what was released
├── NameTaken        the name stands for other data already
└── NotSettled       the store is not as it would be if it were built now
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 10


class ReleaseError(Exception):
    """What was asked for, where, and what to do next."""


class NoRelease(ReleaseError):
    """Nothing of that name is there."""


class DamagedRelease(ReleaseError):
    """A file of the release is missing or not what was released."""

    def __init__(self, folder: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"the release in {folder} is damaged:{listed(problems)}\n"
            "Restore these files from a copy, or cut a release of another name from the same partitions."
        )


class NameTaken(ReleaseError):
    """The name stands for other data already."""

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            f"the release {name} is there already, and releases never change. Cut now, it would differ:"
            f"{listed(differences)}\nGive the new release another name in the configuration."
        )


class NotSettled(ReleaseError):
    """A release of it could not be built again from its pins."""

    def __init__(self, name: str, partitions: Sequence[str]) -> None:
        self.partitions = tuple(partitions)
        super().__init__(
            f"the release {name} can't be cut yet: these partitions are not as they would be if they were "
            f"built now:{listed(partitions)}\nMaterialize them first, or wait for the nightly run."
        )


def listed(items: Sequence[str]) -> str:
    more = f"\n  and {len(items) - MAX_LISTED} more" if len(items) > MAX_LISTED else ""
    return "".join(f"\n  {item}" for item in items[:MAX_LISTED]) + more
