"""What determined a release, gathered from the store and from what runs.

Belongs here: exports, partitions, tokenizers, the environment. Does not: the shapes of these (manifest.py) or
comparing them (drift.py).
"""

from __future__ import annotations

import hashlib
import platform
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path
from typing import Any

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.extract.inventory import undated
from medallion_assets.package.tokens.tokenizer import IDENTITY_FILES, identity, load
from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import (
    TRAIN,
    Environment,
    PinnedExport,
    PinnedPartition,
    PinnedTokenizer,
)
from medallion_assets.schemas import EVAL_INDEX, EVAL_PREFIX
from medallion_assets.stage import code_digest
from medallion_assets.storage.files import sha256_of
from medallion_assets.storage.store import PartitionStore

TOKENIZERS = "tokenizers"
# What makes data of a release besides the stages.
OWN_CODE = {
    "releases/layouts": ("medallion_assets.release.layouts",),
    "releases/records": ("medallion_assets.release.records",),
}
LIBRARIES = ("duckdb", "numpy", "pyarrow")
# What changes nothing in a release: other releases, what is checked and watched, what then happens, and where
# work is done.
NOT_PINNED: Any = {
    "alerts": True,
    "checks": True,
    "releases": True,
    "settle": True,
    "disk_room": True,
    "fanout": True,
    "sources": {"__all__": {"expected_every"}},
}


def configuration_of(config: PipelineConfig) -> dict[str, Any]:
    """The whole pipeline with every default spelt out, but for what changes nothing in a release."""
    return config.model_dump(mode="json", exclude=NOT_PINNED)


def pinned_exports(lineage: Lineage, store: PartitionStore) -> Iterator[PinnedExport]:
    for stage in lineage.bronze():
        for day, manifest in lineage.manifests(stage, store):
            exports = manifest.summary["exports"]
            for part in manifest.parts:
                if part.export is None:
                    continue  # of a day on which nothing landed
                export = exports[part.export]
                yield PinnedExport(
                    source=stage.asset_path[1],
                    landing_date=day,
                    sha256=part.export,
                    file=export["file"],
                    bytes=export["bytes"],
                    rows=part.rows,
                    part=part.name,
                    part_sha256=part.sha256,
                    part_bytes=part.size,
                    order=_rank(export, exports.values()),
                )


def _rank(export: Mapping[str, Any], exports: Collection[Mapping[str, Any]]) -> int | None:
    """Which delivery of its file on its day it is, where that counts: what came in between is chance."""
    if "order" not in export:
        return None
    name = undated(export["file"])
    return len(
        [each for each in exports if undated(each["file"]) == name and each["order"] < export["order"]]
    )


def pinned_partitions(lineage: Lineage, store: PartitionStore) -> Iterator[PinnedPartition]:
    """But for evaluation sets, whose days repeat each other, and for what is empty or repeats another day."""
    for stage in lineage.made():
        if stage.asset_path[1].startswith(EVAL_PREFIX):
            continue
        before = ""
        for key, manifest in lineage.manifests(stage, store):
            if (manifest.rows or manifest.rejected_rows) and manifest.content_hash != before:
                table = stage.table.full_name
                yield PinnedPartition(table, key, manifest.rows, manifest.content_hash)
            before = manifest.content_hash


def eval_index_of(lineage: Lineage, store: PartitionStore) -> str | None:
    """The content of the newest one: what every day was held against."""
    for stage in lineage.made():
        if stage.asset_path[1] == EVAL_INDEX.name:
            newest = [manifest.content_hash for _, manifest in lineage.manifests(stage, store)]
            return newest[-1] if newest else None
    return None


def pinned_tokenizers(
    lineage: Lineage, configuration: Mapping[str, Any]
) -> Iterator[tuple[PinnedTokenizer, Path]]:
    """Each recipe's, and the folder in which its files lie now."""
    configured = {recipe["name"]: recipe["tokenizer"] for recipe in configuration["recipes"]}
    for recipe, splits in lineage.recipes.items():
        folder = splits[TRAIN].tokenizer.folder()
        named = {name: sha256_of(folder / name) for name in IDENTITY_FILES if (folder / name).is_file()}
        known_by = identity(folder)
        template = load(folder).chat_template
        yield (
            PinnedTokenizer(
                recipe=recipe,
                source=configured[recipe]["path"],
                revision=configured[recipe]["revision"],
                identity=known_by,
                template_sha256=hashlib.sha256(template.encode()).hexdigest(),
                folder=f"{TOKENIZERS}/{known_by[:12]}",
                files=named,
            ),
            folder,
        )


def schemas_of(lineage: Lineage) -> dict[str, str]:
    """By table, its schema and version."""
    tables = (stage.table for stage in lineage.stages)
    return {table.full_name: f"{table.schema.name} {table.schema.version}" for table in tables}


def environment_of(lineage: Lineage) -> Environment:
    # By path, since a gold table can't be asked for its name where its tokenizer is gone.
    code = {"/".join(stage.asset_path): stage.code_version for stage in lineage.made()}
    code |= {name: code_digest(modules, LIBRARIES) for name, modules in OWN_CODE.items()}
    return Environment(
        platform.python_version(), unicodedata.unidata_version, installed_packages(), code, module_digests()
    )


def installed_packages() -> dict[str, str]:
    """Every installed distribution, by its name in lower case."""
    found: dict[str, str] = {}
    for each in distributions():
        if name := each.metadata["Name"]:
            found.setdefault(name.lower().replace("_", "-"), each.version)
    return found


def module_digests() -> dict[str, str]:
    """Of each module of ours, a digest of its source."""
    root = Path(str(files("medallion_assets")))
    return {
        ".".join(path.relative_to(root.parent).with_suffix("").parts): sha256_of(path)[:16]
        for path in sorted(root.rglob("*.py"))
    }
