"""Checks of releases: their files are what was released, and bronze still leads to them.

Belongs here: names, severities, metadata. Does not: the audit itself (release/audit.py).
No postponed annotations in this module: Dagster reads the context's.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg

from medallion_assets.assets.releases import release_key
from medallion_assets.release.audit import Audit, audit
from medallion_assets.release.drift import Today
from medallion_assets.release.manifest import find_release
from medallion_assets.release.show import audit_lines
from medallion_assets.storage.store import PartitionStore

SHOWN = 20
CHECK = "audit"


def audit_check(name: str, today: Callable[[], Today], store: PartitionStore) -> dg.AssetChecksDefinition:
    """`today` is asked late, since tokenizers may have to be fetched."""

    @dg.asset_check(
        asset=release_key(name),
        name=CHECK,
        description="Built again from bronze, with the configuration and the tokenizers that it pins, the "
        "release comes out byte for byte as it is.",
    )
    def audited(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = audit(find_release(name, store.place), store, today())
        for line in audit_lines(found):
            context.log.info(line)
        return dg.AssetCheckResult(
            passed=found.passed, severity=dg.AssetCheckSeverity.ERROR, metadata=_metadata(found)
        )

    return audited


def _metadata(found: Audit) -> dict[str, Any]:
    """Untrusted texts go into tables, which the UI shows as they are."""
    differences = [
        dg.TableRecord(
            {
                "cause": each.cause,
                "where": each.where,
                "what": each.what,
                "row": str(each.location.row if each.location else None),
                "column": str(each.location.column if each.location else None),
                "record": str(each.location.record_id if each.location else None),
            }
        )
        for each in found.differences[:SHOWN]
    ]
    drifts = [
        dg.TableRecord({"cause": e.cause, "what": e.what, "then": e.then[:200], "now": e.now[:200]})
        for e in found.drifts[:SHOWN]
    ]
    tables = {"found": differences, "different_today": drifts}
    return {
        "release_id": found.release_id,
        "differences": len(found.differences),
        "drifts": len(found.drifts),
        **({"not_built_again": found.skipped} if found.skipped else {}),
        **{name: dg.MetadataValue.table(records) for name, records in tables.items() if records},
    }
