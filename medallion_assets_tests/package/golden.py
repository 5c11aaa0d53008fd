"""Silver rows of any unit made by hand, and what a gold stage makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from medallion_assets.package.recipe import Packaging, Workshop
from medallion_assets.package.stage import GoldStage, import_module
from medallion_assets.package.tokens.tokenizer import TokenizerSpec
from medallion_assets.schemas import TableSchema
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table
from medallion_assets.units import Message, Record
from medallion_assets_tests.package.chat import CHATML, DAY, SPOKEN, shipped

Row = dict[str, Any]
KEY = DAY.isoformat()
ROOMY = Packaging(4096)


@cache
def transformers_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(CHATML)


def user(text: str, **other: Any) -> Message:
    return Message("user", text, **other)


def says(text: str, **other: Any) -> Message:
    return Message("assistant", text, **other)


def silver_rows(records: Sequence[Record], **other: Any) -> list[Row]:
    """Each content once, as dedup leaves them, and where it landed."""
    rows = {
        row["record_id"]: row
        | {"source": "feed", "landing_date": DAY, "export_sha256": "e" * 64}
        | {"record_number": number, "line": number, **other}
        for number, row in enumerate((record.as_row() for record in records), start=1)
    }
    return list(rows.values())


def built(
    schema: TableSchema,
    rows: Sequence[Row],
    root: Path,
    rules: Packaging = ROOMY,
    *,
    tokenizer: Path = CHATML,
) -> tuple[PartitionStore, GoldStage]:
    """A store below `root` in which these rows of silver have been packaged."""
    silver = Table("silver", schema.name, schema)
    stage = GoldStage("recipe", silver, TokenizerSpec(tokenizer), rules)
    store = PartitionStore(root)
    land = Build(lambda: Digests(digest_of(str(rows)), "", ""), lambda w: w.rows(schema.table(rows)))
    store.overwrite(silver, KEY, land)
    store.overwrite(stage.table, KEY, stage.build(store, KEY))
    return store, stage


def packaged(
    schema: TableSchema, rows: Sequence[Row], rules: Packaging = ROOMY, *, tokenizer: Path = CHATML
) -> tuple[list[Row], list[Row], Row]:
    """The rows, the rejects and the summary of the gold partition."""
    with TemporaryDirectory() as root:
        store, stage = built(schema, rows, Path(root), rules, tokenizer=tokenizer)
        kept, lost = (
            [row for batch in store.batches(stage.table, KEY, rejects=kind) for row in batch.to_pylist()]
            for kind in (False, True)
        )
        manifest = store.manifest(stage.table, KEY)
    assert manifest is not None
    return kept, lost, dict(manifest.summary)


def written(
    schema: TableSchema, rows: Sequence[Row], folder: Path, *, batch_rows: int = 2048, group_rows: int = 1024
) -> list[str]:
    """The SHA-256 of the files that the unit writes, given silver in batches of so many rows."""
    gold = replace(GOLD_SCHEMAS[schema.name], row_group_rows=group_rows)
    folder.mkdir(parents=True)
    writer = PartitionWriter(folder, Table("gold", "recipe", gold))
    batches: list[pa.RecordBatch] = schema.table(rows).to_batches(max_chunksize=batch_rows)
    packager = import_module(f"medallion_assets.package.units.{schema.name}")
    workshop = Workshop(shipped(), ROOMY, gold, folder / "scratch")
    packager.write(packager.made(batches, workshop), workshop, writer)
    *parts, _ = writer.finish()
    return [part.sha256 for part in parts]


def reasons(rejects: Sequence[Row]) -> dict[int, str]:
    """By record number."""
    return {row["record_number"]: row["reason"] for row in rejects}


def turns_of(messages: Sequence[Message]) -> list[Row]:
    return [{"role": message.role, "content": message.content} for message in messages]


def prompts() -> st.SearchStrategy[list[Message]]:
    """A user's turn, now and then after a system's or after a whole exchange."""
    before = st.lists(st.tuples(SPOKEN, SPOKEN), max_size=2)
    system = st.none() | SPOKEN
    return st.builds(_prompt, system, before, SPOKEN)


def _prompt(system: str | None, before: list[tuple[str, str]], last: str) -> list[Message]:
    opening = [] if system is None else [Message("system", system)]
    return [*opening, *(turn for ask, answer in before for turn in (user(ask), says(answer))), user(last)]
