"""The store that most traces here are of, made once."""

from __future__ import annotations

import pytest

from medallion_assets_tests.pipeline.sample import Site, land_three_days
from medallion_assets_tests.trace.stores import Whole, materialized


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Three days with repeats and faults, materialized. Tests only read it."""
    site = Site(tmp_path_factory.mktemp("traced"))
    land_three_days(site)
    return materialized(site)


@pytest.fixture(scope="session")
def whole(traced: Site) -> Whole:
    return Whole.of(traced)
