"""The gold stage notices every change of its own code."""

from __future__ import annotations

from pathlib import Path

import medallion_assets.package
from medallion_assets.package.stage import CODE


def test_every_module_that_packages_counts_as_code_of_gold() -> None:
    root = Path(medallion_assets.package.__file__).parent
    folders = {path.parent.relative_to(root) for path in root.rglob("*.py")}
    names = {".".join(("medallion_assets.package", *folder.parts)) for folder in folders}
    assert names <= set(CODE)
