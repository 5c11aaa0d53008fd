"""A release that each test may spoil, of the configuration CONFIG in its module."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medallion_assets_tests.release.releases import ReleaseSite, three_days


@pytest.fixture(scope="module")
def pristine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days and their releases, cut once."""
    folder = tmp_path_factory.mktemp("pristine")
    three_days(folder, request.module.CONFIG).cut()
    return folder


@pytest.fixture
def site(request: pytest.FixtureRequest, pristine: Path, tmp_path: Path) -> ReleaseSite:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return ReleaseSite(tmp_path, request.module.CONFIG)
