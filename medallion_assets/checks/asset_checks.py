"""The invariants as asset checks: thin shells that Dagster runs behind each asset.

Belongs here: names, severities, what blocks, metadata. Does not: what is checked (conservation.py,
exports.py, removal.py).
No postponed annotations in this module: Dagster reads the context's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from medallion_assets.checks.conservation import Balance, balance_of
from medallion_assets.checks.exports import quarantined, reject_rate
from medallion_assets.checks.partitions import partitions_metadata, partitions_of_run
from medallion_assets.checks.removal import removals
from medallion_assets.config import DEFAULT_REMOVAL_RATE
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages, SourceStages
from medallion_assets.storage.store import PartitionStore

FAILED_SHOWN = 20


def asset_checks(stages: PipelineStages, store: PartitionStore) -> Iterator[dg.AssetChecksDefinition]:
    """Conservation from landing to gold, unreadable exports, rejects and removals by source."""
    for bronze in stages.bronze():
        yield _readable_exports(bronze, store)
    for source in stages.sources:
        yield _conservation(source.conformed, store)
        yield _reject_rate(source, store)
    limits = {source.config.name: source.config.max_removal_rate for source in stages.sources}
    for unit in stages.units.values():
        yield _conservation(unit, store)
        yield _removal_rate(unit, limits, store)
    if stages.curriculum is not None:
        yield _conservation(stages.curriculum, store)
    for recipe in stages.recipes.values():
        yield _conservation(recipe, store)


def _conservation(stage: Stage, store: PartitionStore) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(stage.asset_path),
        name="conservation",
        blocking=True,
        description="Every record that entered left once: as a row or as a reject. Compared by identity.",
    )
    def conservation(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        balances: dict[str, Balance] = {}
        for key in partitions_of_run(context, stage, store):
            if found := balance_of(stage, store, key):
                balances[key] = found
        broken = {key: balance for key, balance in balances.items() if not balance.holds}
        return dg.AssetCheckResult(
            passed=not broken,
            metadata={
                "partitions_checked": len(balances),
                **partitions_metadata(balances, broken),
                "lost_records": sum(balance.lost for balance in broken.values()),
                "surplus_records": sum(balance.surplus for balance in broken.values()),
                "examples": {key: list(balance.examples) for key, balance in _first(broken)},
            },
        )

    return conservation


def _readable_exports(bronze: Stage, store: PartitionStore) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(bronze.asset_path),
        name="readable_exports",
        description="No export lies in quarantine. Replace a broken file by a sound one of the same name.",
    )
    def readable_exports(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = quarantined(store, bronze.table)
        records = [
            dg.TableRecord({"file": each.file, "landed": str(each.landing_date), "defect": each.defect})
            for each in found[:FAILED_SHOWN]
        ]
        metadata = {"quarantined": len(found)}
        shown = {"exports": dg.MetadataValue.table(records)} if records else {}
        return dg.AssetCheckResult(passed=not found, metadata={**metadata, **shown})

    return readable_exports


def _reject_rate(source: SourceStages, store: PartitionStore) -> dg.AssetChecksDefinition:
    most = source.config.max_reject_rate

    @dg.asset_check(
        asset=dg.AssetKey(source.conformed.asset_path),
        name="reject_rate",
        description=f"At most {most:.0%} of a partition's records are rejected; more and the feed drifts.",
    )
    def rejects(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        keys = partitions_of_run(context, source.conformed, store)
        rates = {key: reject_rate(store, source.conformed.table, key) for key in keys}
        high = {key: round(rate, 4) for key, rate in rates.items() if rate > most}
        return dg.AssetCheckResult(
            passed=not high,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"highest_rate": max(rates.values(), default=0.0), "too_high": dict(_first(high))},
        )

    return rejects


def _removal_rate(
    unit: UnitStage, limits: Mapping[str, float], store: PartitionStore
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(unit.asset_path),
        name="removal_rate",
        description="No source loses more of a day to duplicates and decontamination than it may: where much "
        "goes, a template may have been taken for a text. Compare other parts of it (`compare`), or none.",
    )
    def removal_rate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        keys = partitions_of_run(context, unit, store)
        found = [removal for key in keys for removal in removals(store, unit.table, key)]
        high = [each for each in found if each.rate > limits.get(each.source, DEFAULT_REMOVAL_RATE)]
        return dg.AssetCheckResult(
            passed=not high,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "highest_rate": max((each.rate for each in found), default=0.0),
                "too_high": [each.shown() for each in high[:FAILED_SHOWN]],
            },
        )

    return removal_rate


def _first(by_key: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(by_key.items())[:FAILED_SHOWN]
