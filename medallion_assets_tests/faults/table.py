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
)
FAULTS: tuple[Fault, ...] = tuple(fault for module in MODULES for fault in module.FAULTS)
ELSEWHERE = {
    "5, of an event": "that a run dies between its commit and its event takes a run: with a daemon",
    "19-22": "a daemon, a worker, a code server killed: takes an instance with webserver and daemon",
    "23-26": "fresh homes raced for, SQLite contended for, 10,000 files at once, a cursor wiped: the same",
    "44": "another version of a library: code digests name it, and an audit compares the bytes",
    "50": "mutations over GET and images in the UI: takes a webserver; the proxy's tests have the former",
    "power cut": "what a disk loses that lied about fsync: takes a machine; the order of syncs is tried",
    "object stores": "the store writes to local file systems",
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
