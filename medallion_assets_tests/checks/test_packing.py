"""Laws of packing: bins that are too empty are told, and few bins, whose last takes what is left, are not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from medallion_assets.checks.packing import LEAST_BINS, empty_bins
from medallion_assets.package.stage import GoldStage
from medallion_assets.storage.manifest import Manifest
from medallion_assets_tests.checks.tampering import stage_of, tampered
from medallion_assets_tests.checks.week import CONFIG, LAST, rewrite_manifest
from medallion_assets_tests.pipeline.sample import Site

ROOM = 128


@pytest.mark.parametrize(
    ("bins", "tokens", "passes"),
    [
        (LEAST_BINS, (LEAST_BINS - 1) * ROOM + 1, True),
        (LEAST_BINS, LEAST_BINS * ROOM, True),
        (LEAST_BINS, ROOM, False),
        (LEAST_BINS - 1, ROOM, True),
        (1, 1, True),
        (0, 0, True),
        (1000, 800 * ROOM, True),
        (1000, 798 * ROOM, False),
    ],
)
def test_bins_are_judged_without_what_is_left_over(
    bins: int, tokens: int, passes: bool, tmp_path: Path
) -> None:
    site = Site(tmp_path, CONFIG)
    recipe = stage_of(site, "gold/packed")
    assert isinstance(recipe, GoldStage)
    tampered(recipe, site.store, LAST)

    def edit(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, summary={"bins": bins, "tokens": tokens})

    rewrite_manifest(site, "gold/packed", edit)
    assert empty_bins(recipe, site.store, [LAST], least=0.8).passed is passes
