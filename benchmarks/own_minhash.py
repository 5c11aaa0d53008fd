"""Our near-duplicate removal as the peers' scripts run theirs: the kernels alone, without stages or Dagster.

usage: python -m benchmarks.own_minhash TEXTS.jsonl KEPT.json WORK_FOLDER
Takes JSONL rows {"id", "text"} and writes a JSON list of the ids that it keeps.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import json as arrow_json

from medallion_assets.curate.dedup import twins_of_today
from medallion_assets.curate.deposits import Deposit
from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.schemas import FINGERPRINTS, SFT_PAIRS, SFT_UNIT
from medallion_assets.storage.parts import MappedPartWriter
from medallion_assets.storage.store import Table

DAY = "2024-09-01"
READ_BYTES = 1 << 19
GIVEN = pa.schema([("id", pa.string()), ("text", pa.string())])
MESSAGES = SFT_PAIRS.arrow.field("messages").type


def main(texts: Path, kept: Path, work: Path) -> None:
    ids, deposit = deposit_of(texts, work)
    twins = twins_of_today([deposit], DAY, threshold=0.8, folder=work / "buckets").get(deposit.source, {})
    kept.write_text(json.dumps([id_ for row, id_ in enumerate(ids) if row not in twins]))


def deposit_of(texts: Path, work: Path) -> tuple[list[str], Deposit]:
    """The ids, and the fingerprints in a file."""
    work.mkdir(parents=True, exist_ok=True)
    writer = MappedPartWriter(work, FINGERPRINTS, label="fingerprints")
    ids: list[str] = []
    reading = arrow_json.ReadOptions(use_threads=False, block_size=READ_BYTES)
    parsing = arrow_json.ParseOptions(explicit_schema=GIVEN)
    with arrow_json.open_json(texts, read_options=reading, parse_options=parsing) as batches:
        for batch in batches:
            ids += batch.column("id").to_pylist()
            writer.write(fingerprints_of(conversations(batch.column("text")), SFT_UNIT, COMPARED[SFT_UNIT]))
    part = writer.finish()
    table = Table("silver", "texts", SFT_PAIRS, fingerprinted=True)
    return ids, Deposit(DAY, "texts", table, work / part.name, part.sha256, part.rows)


def conversations(texts: pa.StringArray) -> pa.Table:
    """Each text as the only turn of a conversation."""
    said = {"content": texts, "role": pa.repeat("user", len(texts)), "train": pa.repeat(False, len(texts))}
    absent = pa.nulls(len(texts), pa.string())
    turns = pa.StructArray.from_arrays(
        [said.get(field.name, absent) for field in MESSAGES.value_type], fields=list(MESSAGES.value_type)
    )
    messages = pa.ListArray.from_arrays(pa.array(range(len(texts) + 1), pa.int32()), turns)
    keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts.to_pylist()]
    return pa.table({"record_id": pa.array(keys), "messages": messages})


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
