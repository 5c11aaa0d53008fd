"""How an asset is read: a query on its view, and what its rejects mean, as markdown below its description.

Belongs here: words and SQL for people. Does not: what the table is, which its layer's module says.
"""

from __future__ import annotations

from medallion_assets.conform.evals import EvalStage
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.release.cut import Plan
from medallion_assets.stage import Stage

REJECTS: dict[type, str] = {
    BronzeStage: "**Nothing is rejected here**: bytes that are no record are rows too, with a `defect`; an "
    "export that can't be read at all is in quarantine, where `readable_exports` finds it.",
    ConformStage: "**Rejects** are what is no record (`invalid_json`, a broken export), lacks what "
    "{stage.unit} need (`missing_field`, `empty_output`, …) or misses a quality threshold.",
    EvalStage: "**Rejects** are records without the texts that the configuration names (`missing_field`, "
    "`no_items`).",
    DerivedStage: "**Rejects** are chosen rollouts that fail a gate of {stage.unit}.",
    UnitStage: "**Rejects** are repetitions (`exact_duplicate`, `near_duplicate`; of rollouts "
    "`repeated_rollout`, `stale_policy`), which name the record that survived, and what gives "
    "evaluations away (`contaminated`).",
    CurriculumStage: "**Rejects** are prompts that teach nothing: `always_solved`, `never_solved`.",
    GoldStage: "**Rejects** are records that the recipe does not take (`held_out`, `filtered`, …) or can't: "
    "`too_long`, or shown by the template otherwise than they were said.",
}
LOSING = REJECTS.keys() - {BronzeStage}  # what judges or adds up others rejects nothing
TABLE = """{rejects}

```sql
SELECT * FROM {name} LIMIT 10;{more}
```
The views are in `warehouse.duckdb` in the data folder; open it read-only."""
LOST = "\nSELECT reason, count(*) FROM silver.rejects WHERE rejected_by = '{path}' GROUP BY reason;"
RELEASE = """```python
from medallion_assets.release import load

train = load("{plan.config.name}", "{recipe}")  # verifies every file first
```
`medallion audit {plan.config.name}` builds it again from bronze and compares byte for byte."""


def reading(made_by: Stage | Plan) -> str:
    """Only names of the configuration go in, which are slugs."""
    if isinstance(made_by, Plan):
        return RELEASE.format(plan=made_by, recipe=made_by.config.recipes[0])
    rejects = REJECTS.get(type(made_by), "").format(stage=made_by)
    more = LOST.format(path="/".join(made_by.asset_path)) if type(made_by) in LOSING else ""
    return TABLE.format(rejects=rejects, name=".".join(made_by.asset_path), more=more).strip()
