"""A day of silver conversations, and the gold that a recipe's stage makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from medallion_assets.package.recipe import Packaging
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokens.encode import ids_and_labels
from medallion_assets.package.tokens.tokenizer import TokenizerSpec
from medallion_assets.records import Rejected, content_id
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table
from medallion_assets_tests.package.chat import CHATML, DAY, Row, labelled, rendered, turn

SILVER = Table("silver", "sft_pairs", SFT_PAIRS)
STAGE = GoldStage("recipe", SILVER, TokenizerSpec(CHATML), Packaging(64))
KEY = DAY.isoformat()


def packaged(**rules: Any) -> GoldStage:
    """The stage with other rules of packaging."""
    return replace(STAGE, packaging=replace(STAGE.packaging, **rules))


def silver_row(messages: list[Row], number: int) -> Row:
    return {
        "record_id": content_id([messages, None]),
        "source": "feed",
        "landing_date": DAY,
        "export_sha256": "e" * 64,
        "record_number": number,
        "line": number,
        "messages": messages,
    }


def silver_rows(talks: Sequence[list[Row]]) -> list[Row]:
    """Each content once, as dedup leaves them."""
    rows = {row["record_id"]: row for row in (silver_row(talk, n) for n, talk in enumerate(talks, start=1))}
    return list(rows.values())


def saying(*answers: str) -> list[Row]:
    return silver_rows([[turn("user", "q"), turn("assistant", answer)] for answer in answers])


def land(store: PartitionStore, rows: list[Row]) -> None:
    def put(writer: PartitionWriter) -> None:
        writer.rows(SFT_PAIRS.table(rows))

    store.overwrite(SILVER, KEY, Build(lambda: Digests(digest_of(str(rows)), "", ""), put))


def packed(store: PartitionStore, stage: GoldStage = STAGE) -> tuple[list[Row], list[Row], dict[str, Any]]:
    """The bins, the rejects and the summary that the stage makes of what landed."""
    summary = store.overwrite(stage.table, KEY, stage.build(store, KEY)).manifest.summary
    rows, rejects = (
        [row for batch in store.batches(stage.table, KEY, rejects=kind) for row in batch.to_pylist()]
        for kind in (False, True)
    )
    return rows, rejects, dict(summary)


def documents(bins: list[Row]) -> dict[str, tuple[list[int], list[int]]]:
    """The ids and labels of each document, cut out of its bin."""
    found = {}
    for row in bins:
        at = 0
        for name, length in zip(row["record_ids"], row["seq_lengths"], strict=True):
            found[name] = (row["input_ids"][at : at + length], row["labels"][at : at + length])
            at += length
    return found


def encoded(row: Row) -> tuple[list[int], list[int]]:
    signed = labelled(rendered(row["messages"], day=row["landing_date"]))
    assert not isinstance(signed, Rejected)
    ids, labels = ids_and_labels(signed)
    return ids.tolist(), labels.tolist()
