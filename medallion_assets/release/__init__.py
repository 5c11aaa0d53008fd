"""Releases: gold that is frozen under a name, and can be built again to the byte.

`load`, `paths` and `Stream` are for training environments: importing them takes pyarrow and msgspec, using
them datasets. Everything else is for where releases are cut and audited.
"""

from medallion_assets.release.loading import load, paths
from medallion_assets.release.stream import Stream

__all__ = ["Stream", "load", "paths"]
