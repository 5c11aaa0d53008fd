"""Every fault of the matrix, a few times each; make faults tries them at full length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from medallion_assets_tests.faults.fault import Fault, NotHere, Violation, tried
from medallion_assets_tests.faults.table import FAULTS, lines

QUICK = [fault for fault in FAULTS if fault.quick]


@pytest.mark.parametrize("fault", QUICK, ids=[fault.name for fault in QUICK])
def test_no_promise_is_broken_by(fault: Fault, tmp_path: Path) -> None:
    result = tried(fault, range(fault.quick), tmp_path)
    if result.not_here:
        pytest.skip(result.not_here)
    assert (result.violations, result.injections) == ((), fault.quick)


def inject(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Every third is a violation, and what comes after ten is none of this machine's."""
    for seed in seeds:
        if seed > 10:
            raise NotHere("no such machine")
        yield f"{seed} broke it" if seed % 3 == 2 else None


def test_violations_are_counted_and_can_be_tried_again(tmp_path: Path) -> None:
    fault = Fault("thirds", "0", "nothing", inject, quick=1, full=1)
    result = tried(fault, range(7), tmp_path)
    assert result.violations == tuple(Violation("thirds", seed, f"{seed} broke it") for seed in (2, 5))
    assert "faults thirds --seed 5" in str(result.violations[1])
    assert lines([result])[2].split()[-3:-1] == ["7", "2"]
    assert tried(fault, [12], tmp_path).not_here == "no such machine"


def test_a_fault_that_raises_is_a_violation_of_its_seed(tmp_path: Path) -> None:
    def broken(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
        yield None
        raise ValueError("the harness is broken")

    fault = Fault("broken", "0", "nothing", broken, quick=1, full=1)
    assert tried(fault, [4, 7, 9], tmp_path).violations == (
        Violation("broken", 7, "ValueError: the harness is broken"),
    )


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
