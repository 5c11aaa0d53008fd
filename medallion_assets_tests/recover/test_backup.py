"""The back-up that docs/operate.md tells, tried on a store that changes while it is copied."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from medallion_assets.recover.damage import verify_store
from medallion_assets.roots import project_folder
from medallion_assets_tests.pipeline import units_sample
from medallion_assets_tests.pipeline.sample import Site, alpaca
from medallion_assets_tests.pipeline.units_sample import DAYS, build_day

COMMANDS = re.findall(r"^rsync .*$", (project_folder() / "docs/operate.md").read_text(), flags=re.MULTILINE)
pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")


def copied(command: str, source: Path, target: Path) -> None:
    said = command.replace(" data/", f" {source}/").replace("/backup/data/", f"{target}/")
    assert str(source) in said
    assert str(target) in said
    subprocess.run(shlex.split(said), check=True)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = units_sample.all_units_site(tmp_path / "site")
    for day in DAYS[:2]:
        build_day(made, day)
    return made


def test_a_copy_of_a_store_in_use_is_whole_and_leads_to_the_same_bytes(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    manifests, everything_else = COMMANDS
    then = units_sample.swept(site)
    copied(manifests, site.store.root, backup)
    # Between the two commands everything changes: a late landing, a new day, swapped generations.
    site.land("alpaca/2024-09-01/late.jsonl", [alpaca("ask 3", "answer 3"), alpaca("late", "words")])
    for day in DAYS:
        build_day(site, day)
    copied(everything_else, site.store.root, backup)
    assert verify_store(backup).damages == ()
    restored = Site(tmp_path / "restored", units_sample.CONFIG)
    shutil.copytree(backup, restored.store.root, dirs_exist_ok=True)
    shutil.copytree(site.roots.landing, restored.roots.landing)
    # Kept exports may be newer than the manifests; all that these name is as it was.
    assert then.items() <= units_sample.swept(restored).items()
    for day in DAYS:
        build_day(restored, day)
    assert units_sample.swept(restored) == units_sample.swept(site)
