"""Which faults there are, and which rows of the fault matrix are tried elsewhere or can't be tried here."""

from __future__ import annotations

from medallion_assets_tests.faults import (
    bursts,
    clocks,
    daemons,
    determinism,
    disks,
    inputs,
    instances,
    kills,
    landing,
    planted,
    readers,
    rot,
    sequences,
    strangers,
    viewers,
    writers,
)
from medallion_assets_tests.faults.fault import Fault, Tried

MODULES = (
    kills,
    disks,
    readers,
    writers,
    landing,
    strangers,
    inputs,
    rot,
    determinism,
    sequences,
    planted,
    instances,
    daemons,
    bursts,
    clocks,
    viewers,
)
FAULTS: tuple[Fault, ...] = tuple(fault for module in MODULES for fault in module.FAULTS)
ELSEWHERE = {
    "44": "another version of a library: medallion_assets_tests/golden, in every run of the tests",
    "50": "texts in the UI: medallion_assets_tests/browser; who comes in: .../docs/test_proxy.py",
    "power cut": "what a disk loses that lied about fsync: takes a machine; the order of syncs is tried",
    "object stores": "the store of these faults is on a local file system",
}
COLUMNS = ("fault", "rows", "must hold", "injections", "violations", "seconds")


def lines(results: list[Tried]) -> list[str]:
    """The table, and below it what is not in it."""
    rows = [
        (
            each.fault.name,
            each.fault.rows,
            each.fault.promise,
            f"{each.injections:,}" if each.not_here is None else "not here",
            str(len(each.violations)),
            f"{each.seconds:.0f}",
        )
        for each in results
    ]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    table = [_line(row, widths) for row in (COLUMNS, tuple("-" * width for width in widths), *rows)]
    missed = [f"{each.fault.name}: not here: {each.not_here}" for each in results if each.not_here]
    return [*table, "", *missed, *(f"row {row}: {why}" for row, why in ELSEWHERE.items())]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """Numbers to the right."""
    cells = enumerate(zip(row, widths, strict=True))
    return "  ".join(cell.rjust(width) if at > 2 else cell.ljust(width) for at, (cell, width) in cells)
