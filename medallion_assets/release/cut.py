"""Cutting a release: gold partitions frozen under a name, with all that determined them.

Belongs here: the order of the work, the folder. Does not: writing files (freeze.py), what is pinned (pins.py)
or told (report/). In a folder, data files are hard links, so that a release costs no space; what clears the
store up can't reach it. The folder is made beside its place and renamed at the end, and on a bucket the
manifest comes last: whoever sees the name sees all of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.config.release import ReleaseConfig
from medallion_assets.release.errors import NameTaken, NotSettled
from medallion_assets.release.freeze import Frozen, is_sft, kept_tokenizer, laid_out, linked, made, other
from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    RECORDS_FOLDER,
    RELEASES,
    REPORT_NAME,
    ROWS,
    Release,
    ReleasedFile,
    ReleaseManifest,
    find_release,
    release_folder,
)
from medallion_assets.release.pins import (
    configuration_of,
    environment_of,
    eval_index_of,
    pinned_exports,
    pinned_partitions,
    pinned_tokenizers,
    schemas_of,
)
from medallion_assets.release.records import Passed, write_ledger
from medallion_assets.release.verify import verify
from medallion_assets.report.card import card_of
from medallion_assets.report.page import page_of
from medallion_assets.report.release import figures_of
from medallion_assets.stages import PipelineStages
from medallion_assets.storage import files
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore


@dataclass(frozen=True)
class Plan:
    """What to cut: the release's own configuration, its lineage, and the pipeline's whole configuration."""

    config: ReleaseConfig
    lineage: Lineage
    configuration: Mapping[str, Any]

    @staticmethod
    def of(release: ReleaseConfig, config: PipelineConfig, stages: PipelineStages) -> Plan:
        return Plan(release, Lineage.of(release, stages), configuration_of(config))


def cut(plan: Plan, store: PartitionStore) -> tuple[Release, bool]:
    """The release, and whether it is new. One that is there already is left as it is.

    Raises NameTaken where the same name would now hold other data, NotSettled where the store's partitions
    are not what the present rules would make.
    """
    still = StillStore(store)  # one look at every manifest: what is pinned is what is linked
    name = plan.config.name
    with files.exclusive_lock(store.root / ".locks" / "releases" / f"{name}.lock"):
        frozen = list(_frozen(plan, still))
        if store.place.read(f"{RELEASES}/{name}/{MANIFEST_NAME}") is not None:
            return _as_it_is(find_release(name, store.place), plan, frozen), False
        if unsettled := plan.lineage.unsettled(still):
            raise NotSettled(name, unsettled)
        store.place.forget(f"{RELEASES}/{name}")
        with _folder(release_folder(store.root, name)) as folder:
            release = _written(plan, still, frozen, folder)
            verify(release)
        listed = [file.path for file in release.manifest.files]
        is_new = store.place.publish(f"{RELEASES}/{name}", listed, MANIFEST_NAME)
        if not is_new:
            store.place.forget(f"{RELEASES}/{name}")
            return _as_it_is(find_release(name, store.place), plan, frozen), False
        return find_release(name, store.place), True


def _frozen(plan: Plan, store: PartitionStore) -> Iterator[Frozen]:
    for recipe, splits in plan.lineage.recipes.items():
        for split, stage in splits.items():
            for key, manifest in plan.lineage.manifests(stage, store):
                for part in manifest.parts:
                    if part.rows:
                        file = ReleasedFile(
                            path=f"{recipe}/{split}/dt={key}/{part.name}",
                            sha256=part.sha256,
                            size=part.size,
                            rows=part.rows,
                            tokens=manifest.summary.get("tokens"),
                            recipe=recipe,
                            split=split,
                            layout=ROWS,
                            partition=key,
                        )
                        yield Frozen(stage, manifest, part, file)


def _as_it_is(release: Release, plan: Plan, frozen: list[Frozen]) -> Release:
    """Whoever cuts again wants what is there; if that has become something else, they must be told."""
    then = {file.path: file for file in release.manifest.data()}
    now = {each.file.path: each.file for each in frozen}
    differences = [f"{path}: it has this, and it would not" for path in sorted(then.keys() - now.keys())]
    differences += [
        f"{path}: it would have this, and it has not" for path in sorted(now.keys() - then.keys())
    ]
    held = (release.manifest.first, release.manifest.last, ", ".join(release.manifest.layouts))
    asked = (plan.lineage.first, plan.lineage.last, ", ".join(plan.config.layouts))
    for key, before, after in zip(("from", "to", "layouts"), held, asked, strict=True):
        if before != after:
            differences.append(f"{key}: {before or 'none'} then, {after or 'none'} now")
    if differences:
        raise NameTaken(plan.config.name, differences)
    return release


@contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """A folder that gets its name once all in it is on the disk, or leaves nothing.

    The caller holds the release's lock, so what is there before is of one that was killed.
    """
    files.make_folder(place.parent)
    temporary = place.parent / f"{files.TEMPORARY_PREFIX}{place.name}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        for folder, _, _ in os.walk(temporary):
            files.sync_folder(Path(folder))
        temporary.rename(place)
        files.sync_folder(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _written(plan: Plan, store: PartitionStore, frozen: list[Frozen], folder: Path) -> Release:
    config, lineage = plan.config, plan.lineage
    listed = [linked(store, each, folder) for each in frozen]
    for layout in config.layouts:
        listed += [laid_out(each, layout, folder) for each in frozen if is_sft(each.stage)]
    tokenizers = list(pinned_tokenizers(lineage, plan.configuration))
    listed += [kept for pin, source in tokenizers for kept in kept_tokenizer(pin, source, folder)]
    for recipe in lineage.recipes:
        ledger = write_ledger(Passed(lineage, recipe, store), made(folder / RECORDS_FOLDER))
        listed.append(other(f"{RECORDS_FOLDER}/{ledger.name}", folder, rows=ledger.rows))
    manifest = ReleaseManifest(
        name=config.name,
        first=lineage.first,
        last=lineage.last,
        recipes=tuple(config.recipes),
        layouts=tuple(config.layouts),
        files=tuple(listed),
        exports=tuple(pinned_exports(lineage, store)),
        partitions=tuple(pinned_partitions(lineage, store)),
        eval_index=eval_index_of(lineage, store),
        tokenizers=tuple(pin for pin, _ in tokenizers),
        configuration=plan.configuration,
        schemas=schemas_of(lineage),
        environment=environment_of(lineage),
    )
    figures = {recipe: figures_of(manifest, recipe, folder) for recipe in lineage.recipes}
    for name, text in ((CARD_NAME, card_of(manifest, figures)), (REPORT_NAME, page_of(manifest, figures))):
        files.replace_atomically(folder / name, text.encode())
        listed.append(other(name, folder))
    return _sealed(manifest, listed, folder)


def _sealed(manifest: ReleaseManifest, listed: list[ReleasedFile], folder: Path) -> Release:
    """The manifest comes last, with every file."""
    unique = {file.path: file for file in listed}
    whole = replace(manifest, files=tuple(unique[path] for path in sorted(unique)))
    content = whole.encode()
    files.replace_atomically(folder / MANIFEST_NAME, content)
    return Release(folder, content)
