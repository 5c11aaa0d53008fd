"""What a release depends on: stages from bronze to gold, and which of their partitions.

Belongs here: the closure over inputs, and days. Does not: what of it is written down (pins.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from medallion_assets.config.release import ReleaseConfig
from medallion_assets.conform.evals import EvalStage
from medallion_assets.curate.decontaminate.stages import EvalIndexStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.release.manifest import TRAIN, WHOLE_UNITS
from medallion_assets.schemas import EVAL_PREFIX
from medallion_assets.stage import Stage, is_outdated
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import PartitionStore, Table

HOLDOUT = "holdout"


@dataclass(frozen=True)
class Lineage:
    """The stages of a release in the order in which data flows; its days are `first` to `last`."""

    stages: tuple[Stage, ...]
    recipes: Mapping[str, Mapping[str, GoldStage]]  # by name, then by split
    units: Mapping[str, UnitStage]  # by recipe
    first: str
    last: str

    @staticmethod
    def of(release: ReleaseConfig, stages: PipelineStages) -> Lineage:
        recipes = {name: _splits(name, stages) for name in release.recipes}
        units = {name: _unit_of(splits[TRAIN], stages) for name, splits in recipes.items()}
        upstream = _upstream(stages, [gold for splits in recipes.values() for gold in splits.values()])
        return Lineage(upstream, recipes, units, release.first.isoformat(), release.last.isoformat())

    def keys(self, stage: Stage, found: Collection[str], store: PartitionStore) -> list[str]:
        """Those of these partitions that the release depends on, ascending.

        A day of silver knows all before it. Evaluation sets count as they are, whenever they landed: every
        day is held against the newest of them. Where each partition holds everything up to its day, gold is
        taken from the newest alone.
        """
        if isinstance(stage, GoldStage):
            return self._taken(stage, found, store)
        if _is_of_evals(stage):
            return sorted(found)
        return sorted(key for key in found if key <= self.last)

    def days(self, recipe: str, table: Table, store: PartitionStore) -> list[str]:
        """The partitions of a table that the recipe's records passed, or fell out of."""
        gold, found = self.recipes[recipe][TRAIN], store.keys(table)
        if _is_whole(gold) and table != gold.silver and table.layer != "gold":
            return [key for key in found if key <= self.last]
        return self._taken(gold, found, store)

    def _taken(self, gold: GoldStage, found: Collection[str], store: PartitionStore) -> list[str]:
        if _is_whole(gold):
            return [key for key in self._newest(gold.silver, store) if key in found]
        return sorted(key for key in found if self.first <= key <= self.last)

    def _newest(self, table: Table, store: PartitionStore) -> list[str]:
        """The day since which the newest partition is as it is: days on which nothing came repeat it."""
        found = store.manifests(table, upto=self.last)[::-1]
        alike = takewhile(lambda each: each[1].content_hash == found[0][1].content_hash, found)
        return [key for key, _ in alike][-1:]

    def gold(self) -> Iterator[GoldStage]:
        return (stage for splits in self.recipes.values() for stage in splits.values())

    def bronze(self) -> Iterator[Stage]:
        return (stage for stage in self.stages if stage.asset_path[0] == "bronze")

    def made(self) -> Iterator[Stage]:
        """All that is built from bronze."""
        return (stage for stage in self.stages if stage.asset_path[0] != "bronze")

    def manifests(self, stage: Stage, store: PartitionStore) -> Iterator[tuple[str, Manifest]]:
        for key in self.keys(stage, store.keys(stage.table), store):
            if manifest := store.manifest(stage.table, key):
                yield key, manifest

    def unsettled(self, store: PartitionStore) -> list[str]:
        """Partitions that building now could change: pins of what is there would not be pins of them."""
        return [
            f"{stage.table.full_name} {key}"
            for stage in self.made()
            for key in self.keys(stage, {*stage.due(store), *store.keys(stage.table)}, store)
            if is_outdated(stage, store, key)
        ]

    def rejecting(self, recipe: str) -> list[Table]:
        """The tables that a record of the recipe's unit passes on its way to gold, in order."""
        unit, silver = self.units[recipe], self.recipes[recipe][TRAIN].silver
        gold = (stage.table for stage in self.recipes[recipe].values())
        return list(dict.fromkeys([*unit.conformed_tables, unit.table, silver, *gold]))


def _splits(recipe: str, stages: PipelineStages) -> dict[str, GoldStage]:
    """What a recipe sets apart has a gold table of its own."""
    tables = {TRAIN: recipe, HOLDOUT: f"{recipe}_{HOLDOUT}"}
    return {split: stages.recipes[name] for split, name in tables.items() if name in stages.recipes}


def _unit_of(gold: GoldStage, stages: PipelineStages) -> UnitStage:
    """Of a recipe that is made of what was made from a unit, that unit."""
    made_from = {stage.asset_path: stage.inputs for stage in stages.all() if stage.asset_path[0] == "silver"}
    tables = (gold.silver, *made_from[gold.silver.layer, gold.silver.name])
    return next(unit for table in tables for unit in stages.units.values() if unit.table == table)


def _upstream(stages: PipelineStages, gold: Sequence[Stage]) -> tuple[Stage, ...]:
    everything = list(stages.all())
    wanted = {(table.layer, table.name) for stage in gold for table in stage.inputs}
    chosen = list(gold)
    for stage in reversed(everything):
        if stage.asset_path in wanted and stage not in chosen:
            chosen.append(stage)
            wanted |= {(table.layer, table.name) for table in stage.inputs}
    return tuple(stage for stage in everything if stage in chosen)


def _is_of_evals(stage: Stage) -> bool:
    return isinstance(stage, EvalStage | EvalIndexStage) or stage.asset_path[1].startswith(EVAL_PREFIX)


def _is_whole(gold: GoldStage) -> bool:
    return gold.unit in WHOLE_UNITS
