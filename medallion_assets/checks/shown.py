"""How a finding shows in Dagster: a sentence, figures, and a table of faults.

Belongs here: specs, results, metadata. Does not: what was looked at. Texts of others stand in tables alone,
which the UI shows as they are; the sentence is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from medallion_assets.checks.finding import Finding
from medallion_assets.checks.kinds import KINDS
from medallion_assets.checks.partitions import partitions_metadata

FAULTS_SHOWN = 20
PARTITIONS_NAMED = 5
MAX_ERROR_CHARACTERS = 500
SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}


def spec_of(name: str, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    kind = KINDS[name]
    return dg.AssetCheckSpec(name, asset=asset, description=kind.holds, blocking=kind.blocks)


def looked(
    context: dg.AssetCheckExecutionContext,
    name: str,
    asset: dg.AssetKey,
    look: Callable[[], Finding],
    *,
    keys: Sequence[str] = (),
) -> dg.AssetCheckResult:
    """The result of looking at `keys`. A check that can't look has failed; the others still look."""
    try:
        return result_of(name, asset, look(), keys=keys)
    except Exception as error:
        context.log.exception(f"{name} of {asset.to_user_string()} could not look")
        unseen = Finding.of(0, [{"what": f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]}])
        return result_of(name, asset, unseen, keys=keys)


def result_of(
    name: str, asset: dg.AssetKey, finding: Finding, *, keys: Sequence[str] = ()
) -> dg.AssetCheckResult:
    """One that blocks says which partitions it blocks: all that it looked at, where its fault names none."""
    failed = finding.failing if finding.passed or finding.failing else keys
    blocked = partitions_metadata(keys, failed) if KINDS[name].blocks else {}
    return dg.AssetCheckResult(
        passed=finding.passed,
        asset_key=asset,
        check_name=name,
        severity=SEVERITIES[KINDS[name].severity],
        description=sentence(name, finding),
        metadata={**metadata_of(finding), **blocked},
    )


def sentence(name: str, finding: Finding) -> str:
    """What came out, with the partitions to look at and what to do about them."""
    if finding.passed:
        return f"Nothing wrong in {_partitions(finding.judged)}." if finding.judged else "Nothing to judge."
    if not finding.failing:
        return "Could not be looked at: see what is wrong."
    failing = finding.failing
    more = len(failing) - PARTITIONS_NAMED
    named = ", ".join(failing[:PARTITIONS_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{KINDS[name].fault}: {named}. {KINDS[name].remedy}"


def metadata_of(finding: Finding) -> dict[str, Any]:
    """Faults beyond those shown are counted."""
    metadata: dict[str, Any] = {"partitions_judged": finding.judged, **finding.figures}
    if finding.faults:
        metadata["failing_partitions"] = ", ".join(finding.failing)
        metadata["faults"] = len(finding.faults)
        metadata["what_is_wrong"] = dg.MetadataValue.table(_records(finding))
    return metadata


def _records(finding: Finding) -> list[dg.TableRecord]:
    """A table has the columns of its first record, so all have all."""
    shown = finding.faults[:FAULTS_SHOWN]
    columns = list(dict.fromkeys(name for fault in shown for name in fault))
    return [dg.TableRecord({name: _cell(fault.get(name)) for name in columns}) for fault in shown]


def _cell(value: str | int | float | None) -> str | int | float:
    return "" if value is None else value


def _partitions(count: int) -> str:
    return "1 partition" if count == 1 else f"{count} partitions"
