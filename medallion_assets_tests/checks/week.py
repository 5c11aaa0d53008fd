"""A pipeline with enough days behind it to judge another, and ways to spoil the last of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow.parquet as pq

from medallion_assets.checks.asset_checks import looks_of
from medallion_assets.checks.finding import Finding
from medallion_assets.checks.store_checks import store_looks
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest
from medallion_assets_tests.checks.tampering import Rows, stage_of, tampered
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, chat
from medallion_assets_tests.pipeline.units_sample import build_day

DAYS = [f"2024-09-{day:02}" for day in range(1, 8)]
LAST = DAYS[-1]
RECORDS = 30
# An item that a record may give away, in words that no other text has.
ITEM = "A robe takes two bolts of blue fiber and half that much white fiber, so how many bolts in all?"
GERMAN = (
    "Die Katze schläft heute lange auf dem warmen Dach, weil die Sonne scheint und niemand sie stört. "
    "Am Abend geht sie durch den Garten und sucht nach Mäusen, die sich unter den Blättern versteckt haben. "
)
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAYS[0],
        "sources": [{"name": "chats", "unit": "sft_pairs", "format": "messages"}],
        "eval_sets": [{"name": "quiz", "fields": ["text"]}],
        "near_duplicates": None,
        "checks": {"min_records": 20},
        "recipes": [{"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 128}],
    }
)
Edit = Callable[[Rows], Rows]


def conversations(seed: str, count: int = RECORDS) -> list[dict[str, Any]]:
    """English, 200 to 300 characters each."""
    chance = Random(seed)
    words = "the cat sat on a warm roof while people walked along our old street and talked about the weather"
    return [
        chat(
            " ".join(["Please tell me about", *chance.choices(words.split(), k=30)]),
            f"Fine, {seed} {number}.",
        )
        for number in range(count)
    ]


def land_week(site: Site) -> None:
    site.land(f"evals/quiz/{DAYS[0]}/q.jsonl", [{"text": ITEM}])
    for day in DAYS:
        site.land(f"chats/{day}/a.jsonl", conversations(day))
        build_day(site, day)


def failing(site: Site, keys: Sequence[str] = (LAST,)) -> set[str]:
    """The checks behind assets that fail on these days."""
    return {name for name, finding in findings(site, keys).items() if not finding.passed}


def findings(site: Site, keys: Sequence[str] = (LAST,)) -> dict[str, Finding]:
    return {
        f"{stage.table.full_name}:{name}": look(
            site.store, [key for key in site.store.keys(stage.table) if key in keys]
        )
        for stage in site.stages.all()
        for name, look in looks_of(stage, CONFIG, site.stages).items()
    }


def failing_at_night(site: Site, seed: str = "") -> set[str]:
    return {name for name, look in store_looks(site.stages, site.store).items() if not look(seed).passed}


def land_today(site: Site, rows: Sequence[Any]) -> None:
    """Another export, beside the day's own."""
    site.land(f"chats/{LAST}/more.jsonl", rows)
    build_day(site, LAST)


def rewrite_manifest(site: Site, name: str, edit: Callable[[Manifest], Manifest], day: str = LAST) -> None:
    table = stage_of(site, name).table
    manifest = site.store.manifest(table, day)
    assert manifest is not None
    path = site.store.folder(table, day) / MANIFEST_NAME
    files.replace_atomically(path, edit(manifest).encode())


def change_a_byte(path: Path, column: str) -> None:
    """Within the values of a column, in place: the size stays as it is."""
    metadata = pq.read_metadata(path)
    group = metadata.row_group(0)
    chunk = next(
        found
        for number in range(group.num_columns)
        if (found := group.column(number)).path_in_schema.split(".")[0] == column
    )
    content = bytearray(path.read_bytes())
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    content[first + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(content)


def a_changed_part(site: Site) -> None:
    [path] = site.store.paths(stage_of(site, "bronze/chats").table, LAST)
    change_a_byte(path, "raw")


def a_lost_export(site: Site) -> None:
    """The manifest of a back-up from before, and the landing folder cleared."""
    table = stage_of(site, "bronze/chats").table
    (site.roots.landing / f"chats/{LAST}/a.jsonl").unlink()
    site.store.folder(table, LAST).joinpath(MANIFEST_NAME).unlink()
    build_day(site, LAST)


def a_broken_export(site: Site) -> None:
    site.land(f"chats/{LAST}/broken.json", ["[{"])
    build_day(site, LAST)


def a_lost_record(site: Site) -> None:
    spoil(site, "silver/sft_pairs", lambda rows: rows[1:])


def a_repeated_record(site: Site) -> None:
    """Under another place, which conservation asks for."""
    spoil(site, "silver/sft_pairs", lambda rows: [rows[0] | {"record_id": rows[1]["record_id"]}, *rows[1:]])


def an_item_kept(site: Site) -> None:
    """As a matcher that misses it would leave it."""
    spoil(site, "silver/sft_pairs", lambda rows: [rows[0] | {"messages": said(rows[0], ITEM)}, *rows[1:]])


def a_verdict_not_kept_to(site: Site) -> None:
    unit = stage_of(site, "silver/sft_pairs")
    [row, *_] = (row for batch in site.store.batches(unit.table, LAST) for row in batch.to_pylist())
    verdict = {name: row[name] for name in ("record_id", "source", "landing_date", "export_sha256")}
    verdict |= {"record_number": row["record_number"], "line": row["line"], "row": 0, "eval_set": "quiz"}
    verdict |= {"item_id": "f" * 32, "item": 1, "field": "text", "matched_by": "ngrams", "coverage": 1.0}
    spoil(site, "silver/sft_pairs_contamination", lambda rows: [verdict | {"matching_text": "…"}])


def many_rejects(site: Site) -> None:
    land_today(site, ["{}"] * RECORDS)


def many_repeats(site: Site) -> None:
    rows = [row | {"id": str(number)} for number, row in enumerate(conversations(DAYS[0]) * 2)]
    land_today(site, rows)


def long_german_texts(site: Site) -> None:
    rows = [chat(f"{number} {GERMAN * 8}", GERMAN * 3) for number in range(3 * RECORDS)]
    land_today(site, rows)


def empty_bins(site: Site) -> None:
    def edit(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, summary={**manifest.summary, "tokens": 200})

    rewrite_manifest(site, "gold/packed", edit)


def said(row: dict[str, Any], text: str) -> list[dict[str, Any]]:
    first, *rest = row["messages"]
    return [first | {"content": f"Tell me: {text}"}, *rest]


def spoil(site: Site, name: str, edit: Edit) -> None:
    tampered(stage_of(site, name), site.store, LAST, rows=edit)


SPOILT: dict[Callable[[Site], None], str] = {
    a_changed_part: "bronze/chats:immutable",
    a_broken_export: "bronze/chats:readable_exports",
    a_lost_record: "silver/sft_pairs:conservation",
    a_repeated_record: "silver/sft_pairs:unique_ids",
    an_item_kept: "silver/sft_pairs:uncontaminated",
    a_verdict_not_kept_to: "silver/sft_pairs:uncontaminated",
    many_rejects: "silver/chats_conformed:reject_rate",
    many_repeats: "silver/sft_pairs:removal_rate",
    long_german_texts: "silver/profile:drift",
    empty_bins: "gold/packed:packing_efficiency",
}
