"""The fault matrix at full length: python -m medallion_assets_tests.faults [NAME ...]

Belongs here: the command line, progress, the exit code. Does not: any fault.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from medallion_assets_tests.faults.fault import PROMISES, Fault, Tried, Violation, tried
from medallion_assets_tests.faults.table import FAULTS, lines

PROGRESS_SECONDS = 5.0
NAMES = tuple(fault.name for fault in FAULTS)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(NAMES))
@click.option("--scale", type=float, default=1.0, envvar="FAULTS_SCALE", help="Make this share of them.")
@click.option("--seed", type=int, help="Try this one only, as a violation names it.")
@click.option("--quick", is_flag=True, help="As many as CI tries.")
def main(names: tuple[str, ...], scale: float, seed: int | None, *, quick: bool) -> None:
    """Do every fault of the matrix to the pipeline, or those named, and print what was violated.

    Exit code 1 where anything was. Work is done in TMPDIR.
    """
    results = [
        _tried(fault, [seed] if seed is not None else range(_count(fault, scale, quick=quick)))
        for fault in FAULTS
        if not names or fault.name in names
    ]
    click.echo("\n".join(lines(results)))
    click.echo("\n" + "\n".join(f"{letter}: {promise}" for letter, promise in PROMISES.items()))
    violations = [violation for each in results for violation in each.violations]
    for violation in violations:
        click.echo(f"\n{violation}")
    sys.exit(1 if violations else 0)


def _count(fault: Fault, scale: float, *, quick: bool) -> int:
    return fault.quick if quick else max(1, round(fault.full * scale))


def _tried(fault: Fault, seeds: list[int] | range) -> Tried:
    with tempfile.TemporaryDirectory(prefix="faults-") as ground:
        result = tried(fault, seeds, Path(ground), _progress(fault, len(seeds)))
    click.echo(f"{fault.name}: {result.injections:,}, {len(result.violations)} violations", err=True)
    return result


def _progress(fault: Fault, of: int) -> Callable[[int, Violation | None], None]:
    last = time.monotonic()

    def progress(done: int, violation: Violation | None) -> None:
        nonlocal last
        if violation is not None:
            click.echo(str(violation), err=True)
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            click.echo(f"{fault.name}: {done:,} of {of:,}", err=True)

    return progress


if __name__ == "__main__":
    main()
