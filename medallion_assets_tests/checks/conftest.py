"""A sound week to look at, and a copy of it to spoil; files with pipelines of their own have their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medallion_assets_tests.checks.week import CONFIG, land_week
from medallion_assets_tests.pipeline.sample import Site


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("sound"), CONFIG)
    land_week(site)
    return site


@pytest.fixture
def site(sound: Site, tmp_path: Path) -> Site:
    """A copy to spoil."""
    shutil.copytree(sound.roots.data.parent, tmp_path, dirs_exist_ok=True, symlinks=True)
    return Site(tmp_path, CONFIG)
