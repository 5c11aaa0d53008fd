"""What is checked of the store as a whole, at night: too much to look at behind each run.

Belongs here: the asset that stands for the store, and its checks. Does not: what is looked at (intact.py,
rebuild.py, unique.py) or when (automation/inspection.py).
No postponed annotations in this module: Dagster reads the context's.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from medallion_assets.assets.code_links import CODE_REFERENCES, links_to
from medallion_assets.checks.finding import Finding, by_table
from medallion_assets.checks.intact import damages
from medallion_assets.checks.rebuild import rebuilt_samples
from medallion_assets.checks.schema import misfits
from medallion_assets.checks.shown import looked, spec_of
from medallion_assets.checks.unique import repeated_in_unit
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

STORE = dg.AssetKey("store")


def store_asset(owner: str | None) -> dg.AssetSpec:
    """Nothing makes it: no run of assets takes its checks along."""
    return dg.AssetSpec(
        STORE,
        group_name="operations",
        description="All partitions of all tables. Its nightly checks look at more than a run has time for.",
        kinds={"parquet"},
        owners=[owner] if owner else [],
        metadata={CODE_REFERENCES: links_to(["checks/store_checks.py", "docs/checks.md"])},
    )


def store_checks(stages: PipelineStages, store: PartitionStore) -> dg.AssetChecksDefinition:
    looks = store_looks(stages, store)

    @dg.multi_asset_check(
        name="store_checks", specs=[spec_of(name, STORE) for name in looks], can_subset=True
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.name for key in context.selected_asset_check_keys}
        seed = datetime.now(UTC).date().isoformat()
        for name, look in looks.items():
            if name in chosen:
                yield looked(context, name, STORE, partial(look, seed))

    return checks


def store_looks(stages: PipelineStages, store: PartitionStore) -> Mapping[str, Callable[[str], Finding]]:
    """By the check's name, what is looked at; samples are chosen by what it is given."""
    return {
        "intact": lambda seed: damages(list(stages.all()), store, seed=seed),
        "schema": lambda seed: _misfits(stages, store),
        "unique_history": lambda seed: _repeated(stages, store),
        "reproducible": lambda seed: rebuilt_samples(list(stages.all()), store, seed=seed),
    }


def _misfits(stages: PipelineStages, store: PartitionStore) -> Finding:
    tables = ((stage.table, stage) for stage in stages.all())
    return by_table({table.full_name: misfits(stage, store, store.keys(table)) for table, stage in tables})


def _repeated(stages: PipelineStages, store: PartitionStore) -> Finding:
    tables = ((unit.table, unit) for unit in stages.units.values())
    return by_table(
        {table.full_name: repeated_in_unit(unit, store, store.keys(table)) for table, unit in tables}
    )
