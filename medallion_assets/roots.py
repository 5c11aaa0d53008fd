"""Where data lies: the two roots that the environment may move.

Belongs here: MEDALLION_DATA and MEDALLION_LANDING. Does not: anything that shapes the graph (config.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Roots:
    """`data` holds the store and the catalogue; in `landing`, each source has its folder of exports."""

    data: Path
    landing: Path

    @staticmethod
    def from_environment() -> Roots:
        data = Path(os.environ.get("MEDALLION_DATA") or project_folder() / "data").absolute()
        return Roots(data, Path(os.environ.get("MEDALLION_LANDING") or data / "landing").absolute())

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"


def project_folder() -> Path:
    """The checkout that this package lies in; where it is installed as a library, the working folder."""
    checkout = package_parent()
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def package_parent() -> Path:
    """The folder that holds this package: of a checkout, or of installed libraries."""
    return Path(__file__).resolve().parent.parent
