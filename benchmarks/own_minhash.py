"""Our near-duplicate removal as the peers' scripts run theirs: the kernels alone, without stages or Dagster.

usage: python -m benchmarks.own_minhash TEXTS.jsonl KEPT.json WORK_FOLDER
Takes JSONL rows {"id", "text"} and writes a JSON list of the ids that it keeps.
"""

from __future__ import annotations

import hashlib
import sys
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa

from medallion_assets.curate.dedup import twins_of_today
from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.curate.history import Deposit
from medallion_assets.schemas import FINGERPRINTS, SFT_PAIRS, SFT_UNIT
from medallion_assets.storage.parts import MappedPartWriter
from medallion_assets.storage.store import Table

BATCH_ROWS = 2048
DAY = "2024-09-01"
MESSAGES = SFT_PAIRS.arrow.field("messages").type


class Row(msgspec.Struct):
    id: str
    text: str


def main(texts: Path, kept: Path, work: Path) -> None:
    ids, deposit = deposit_of(texts, work)
    twins = twins_of_today([deposit], DAY, threshold=0.8, folder=work / "buckets").get(deposit.source, {})
    kept.write_bytes(msgspec.json.encode([id_ for row, id_ in enumerate(ids) if row not in twins]))


def deposit_of(texts: Path, work: Path) -> tuple[list[str], Deposit]:
    """The ids, and the fingerprints in a file."""
    work.mkdir(parents=True, exist_ok=True)
    decoder = msgspec.json.Decoder(Row)
    writer = MappedPartWriter(work, FINGERPRINTS, label="fingerprints")
    ids: list[str] = []
    with texts.open("rb") as lines:
        while batch := [decoder.decode(line) for line in islice(lines, BATCH_ROWS)]:
            ids += [row.id for row in batch]
            writer.write(fingerprints_of(conversations(batch), SFT_UNIT, COMPARED[SFT_UNIT]))
    part = writer.finish()
    table = Table("silver", "texts", SFT_PAIRS, fingerprinted=True)
    return ids, Deposit(DAY, "texts", table, work / part.name, part.sha256, part.rows)


def conversations(rows: list[Row]) -> pa.Table:
    """Each text as the only turn of a conversation."""
    absent = pa.nulls(len(rows), pa.string())
    fields = {"content": pa.array([row.text for row in rows]), "role": pa.array(["user"] * len(rows))}
    fields |= {"train": pa.array([False] * len(rows))}
    turns = pa.StructArray.from_arrays(
        [fields.get(field.name, absent) for field in MESSAGES.value_type], fields=list(MESSAGES.value_type)
    )
    messages = pa.ListArray.from_arrays(pa.array(range(len(rows) + 1), pa.int32()), turns)
    keys = [hashlib.sha256(row.text.encode()).hexdigest()[:32] for row in rows]
    return pa.table({"record_id": pa.array(keys), "messages": messages})


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
