"""Where data lies: what the environment may move.

Belongs here: MEDALLION_DATA, MEDALLION_LANDING and MEDALLION_CACHE. Does not: anything that shapes the graph
(config/).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# A store on a bucket: s3://bucket, or s3://bucket/prefix.
BUCKET_SCHEME = "s3://"


@dataclass(frozen=True)
class Roots:
    """`data` holds the store and the catalogue; in `landing`, each source has its folder of exports.

    Where the store lies on a bucket, `bucket` is its URL, and `data` has what this machine keeps of it.
    """

    data: Path
    landing: Path
    bucket: str | None = None

    @staticmethod
    def from_environment() -> Roots:
        named = os.environ.get("MEDALLION_DATA") or ""
        bucket = named if named.startswith(BUCKET_SCHEME) else None
        folder = Path(named) if named and bucket is None else project_folder() / "data"
        landing = Path(os.environ.get("MEDALLION_LANDING") or folder / "landing").absolute()
        return Roots(cache_folder(bucket) if bucket else folder.absolute(), landing, bucket)

    @property
    def store(self) -> Path | str:
        """Where the store lies, for whoever opens it."""
        return self.bucket or self.data

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"


def project_folder() -> Path:
    """The checkout that this package lies in; where it is installed as a library, the working folder."""
    checkout = package_parent()
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def cache_folder(bucket: str) -> Path:
    """Where this machine keeps copies of a bucket, each bucket of each server in its own folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = os.environ.get("MEDALLION_CACHE") or f"{home}/medallion"
    server = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    name = bucket.removeprefix(BUCKET_SCHEME).strip("/")
    digest = hashlib.sha256(f"{server}\0{name}".encode()).hexdigest()[:8]
    return Path(folder).absolute() / f"{name.replace('/', '-')}-{digest}"


def package_parent() -> Path:
    """The folder that holds this package: of a checkout, or of installed libraries."""
    return Path(__file__).resolve().parent.parent
