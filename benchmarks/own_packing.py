"""Our packing as the peer's script runs its own: documents to packed Parquet, without stages or Dagster.

usage: python -m benchmarks.own_packing TOKENS.parquet MADE.json WORK_FOLDER
Takes rows of input_ids; tells how many bins it made, and the seconds of CPU time that planning them took.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from medallion_assets.package.list_columns import borders
from medallion_assets.package.packing.documents import Documents
from medallion_assets.package.packing.too_long import Ranges
from medallion_assets.package.recipe import Packaging
from medallion_assets.package.stage import ROW_GROUP_TOKENS
from medallion_assets.package.tokens.encode import Flat
from medallion_assets.package.units.sft_pairs import packed_rows, planned
from medallion_assets.records import content_id
from medallion_assets.schemas_gold import GOLD_SFT
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionWriter, Table

RULES = Packaging(max_length=4096)


def main(tokens: Path, made: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    schema = replace(GOLD_SFT, row_group_rows=ROW_GROUP_TOKENS // RULES.max_length)
    writer = PartitionWriter(work, Table("gold", "packed", schema))
    with Documents(work) as documents:
        for batch in read_batches([tokens]):
            ids = batch.column("input_ids")
            flat = ids.flatten().to_numpy()
            tokens = Flat(flat, borders(ids.value_lengths().to_numpy()))
            first, rows = len(documents.lengths), np.arange(len(ids))
            names = [content_id(first + row) for row in rows.tolist()]
            documents.extend(names, tokens, Ranges(rows, np.zeros(len(rows), np.int64), tokens.lengths))
        started = time.process_time()
        bins = planned(documents, RULES)
        planning = time.process_time() - started
        for rows in packed_rows(bins, documents, schema):
            writer.rows(rows)
    writer.finish()
    made.write_text(json.dumps({"bins": len(bins), "planning": planning}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
