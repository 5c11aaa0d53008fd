"""Releases: gold that is frozen under a name, and can be built again to the byte; and streams of rollouts.

`load`, `paths`, `Stream`, `load_stream` and `replay` are for training environments: importing them takes
pyarrow and msgspec, using `load` datasets. Everything else is for where releases are cut and audited.
"""

from medallion_assets.release.loading import load, paths
from medallion_assets.release.stream import Stream
from medallion_assets.streaming.serve import load_stream, replay

__all__ = ["Stream", "load", "load_stream", "paths", "replay"]
