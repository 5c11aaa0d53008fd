"""Every check is documented as what it is: its severity, and whether it blocks."""

from __future__ import annotations

import re

import pytest

from medallion_assets.checks.kinds import KINDS
from medallion_assets.config.pipeline import ChecksConfig
from medallion_assets.roots import project_folder

PAGE = (project_folder() / "docs" / "checks.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]


@pytest.mark.parametrize("name", KINDS)
def test_the_page_says_how_grave_it_is(name: str) -> None:
    [row] = (row for row in ROWS if row[0] == f"`{name}`")
    severity = row.index(KINDS[name].severity)
    assert row[severity + 1] == ("yes" if KINDS[name].blocks else "no")


def test_the_page_has_no_other_checks() -> None:
    assert {row[0].strip("`") for row in ROWS} == set(KINDS)


def test_the_page_gives_the_defaults() -> None:
    given = re.findall(r"^  (\w+): ([\d.]+)", PAGE, flags=re.MULTILINE)
    assert {name: float(value) for name, value in given} == ChecksConfig().model_dump()


def test_warnings_block_nothing() -> None:
    assert [name for name, kind in KINDS.items() if kind.severity == "warning" and kind.blocks] == []
