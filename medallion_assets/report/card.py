"""The card of a release, as Hugging Face reads it: front matter for machines, the rest for people.

Belongs here: the words. Does not: the numbers (release.py) or plots (page.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from medallion_assets.release.manifest import ReleaseManifest
from medallion_assets.report.release import Figures

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
SIZES_BEYOND = ((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**12, "1B<n<10B"))
COUNTS = ("landed", "conformed", "kept", "held", "tokens")


def card_of(manifest: ReleaseManifest, figures: Mapping[str, Figures]) -> str:
    return "\n".join(
        [
            *_front_matter(manifest),
            *_about(manifest),
            *_funnels(figures),
            *_sources(manifest),
            *_use(manifest),
        ]
    )


def _front_matter(manifest: ReleaseManifest) -> Iterator[str]:
    data = [file for file in manifest.files if file.recipe is not None]
    configs = list(dict.fromkeys(str(file.table) for file in data))
    yield from ("---", f"pretty_name: {manifest.name}")
    if languages := _languages(manifest):
        yield from ("language:", *(f"- {language}" for language in languages))
    yield from ("size_categories:", f"- {_size(sum(file.rows or 0 for file in manifest.data()))}")
    yield from ("tags:", "- medallion_assets")
    if configs:
        yield "configs:"
    for number, name in enumerate(configs):
        yield f"- config_name: {name}"
        if number == 0:
            yield "  default: true"
        yield "  data_files:"
        splits = dict.fromkeys(str(file.split) for file in data if file.table == name)
        for split in splits:
            yield from (f"  - split: {split}", f"    path: {name}/{split}/dt=*/*.parquet")
    yield from ("---", "")


def _languages(manifest: ReleaseManifest) -> list[str]:
    """Those that the configuration lets pass, if it says so."""
    quality = manifest.configuration.get("quality", {})
    return sorted(quality.get("languages") or ())


def _size(rows: int) -> str:
    return next((name for below, name in (*SIZES, *SIZES_BEYOND) if rows < below), "n>1T")


def _about(manifest: ReleaseManifest) -> Iterator[str]:
    yield from (f"# {manifest.name}", "")
    yield f"Frozen training data of the landing dates {manifest.first} to {manifest.last}. It never changes:"
    yield "`manifest.json` lists every file with its SHA-256, and all that determined them; its own SHA-256"
    yield "is the id of the release."
    yield ""
    yield from _table(["recipe", "split", "layout", "partitions", "rows", "tokens"], _contents(manifest), 3)


def _contents(manifest: ReleaseManifest) -> Iterator[list[str]]:
    data = [file for file in manifest.files if file.recipe is not None]
    for kind in dict.fromkeys((file.recipe, file.split, file.layout) for file in data):
        of_kind = [file for file in data if (file.recipe, file.split, file.layout) == kind]
        tokens = sum(file.tokens or 0 for file in of_kind)
        rows = sum(file.rows or 0 for file in of_kind)
        counts = (len({file.partition for file in of_kind}), rows, tokens)
        yield [*map(str, kind), *(f"{count:,}" if count else "-" for count in counts)]


def _funnels(figures: Mapping[str, Figures]) -> Iterator[str]:
    yield from ("## Where the records went", "")
    yield "Records by source: landed in exports, brought into the schema, kept after deduplication and"
    yield "decontamination, held by this release."
    for recipe, found in figures.items():
        lines = [
            [inert(each.source), *(_number(getattr(each, name)) for name in COUNTS)] for each in found.sources
        ]
        yield from ("", f"### {recipe}", "")
        yield from _table(["source", *COUNTS], lines, 1)
        rejected = [
            [inert(each.table), inert(each.stage), inert(each.reason), f"{each.records:,}"]
            for each in found.rejected
        ]
        if rejected:
            yield from _table(["left out by", "stage", "reason", "records"], rejected, 3)


def _sources(manifest: ReleaseManifest) -> Iterator[str]:
    yield from ("## Sources", "")
    exports: dict[str, list[int]] = {}
    for export in manifest.exports:
        exports.setdefault(export.source, []).append(export.rows)
    lines = [[inert(source), f"{len(rows):,}", f"{sum(rows):,}"] for source, rows in sorted(exports.items())]
    yield "All exports up to the last day, since each day is deduplicated against those before it."
    yield ""
    yield from _table(["source", "exports", "records"], lines, 1)
    pins = [[each.recipe, inert(each.source), f"`{each.identity[:16]}`"] for each in manifest.tokenizers]
    yield from _table(["recipe", "tokenizer", "identity"], pins, 3)


def _use(manifest: ReleaseManifest) -> Iterator[str]:
    recipe = manifest.recipes[0]
    yield from ("## How to load it", "", "```python")
    yield "from medallion_assets.release import load  # verifies every file first"
    yield ""
    yield f'train = load("{manifest.name}", "{recipe}")  # or the path of this folder'
    yield "```"
    yield ""
    yield f'Without medallion_assets: `datasets.load_dataset("<this folder>", "{recipe}")`, or any reader of'
    yield f"Parquet on `{recipe}/train/dt=*/*.parquet`."
    yield from ("", "## How to check it", "", "```")
    yield f"medallion audit {manifest.name}"
    yield "```"
    yield ""
    yield "builds the release again from its exports, with the configuration and the tokenizers kept"
    yield "here, and compares it byte for byte."
    yield ""


def _table(heading: Sequence[str], lines: Iterator[list[str]] | list[list[str]], texts: int) -> Iterator[str]:
    """The first columns are texts, the others numbers."""
    rule = ["-"] * texts + ["-:"] * (len(heading) - texts)
    for line in (heading, rule, *lines):
        yield f"|{'|'.join(line)}|"
    yield ""


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def inert(text: str) -> str:
    """A name that markdown can't take for anything else, whoever chose it."""
    return re.sub(r"[^\w ./-]", "?", text)[:80]
