"""Every check can fail, and does alone: what is spoilt is told by the check about it, and by no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medallion_assets.checks.asset_checks import looks_of
from medallion_assets.checks.kinds import KINDS
from medallion_assets.checks.store_checks import store_looks
from medallion_assets_tests.checks.week import (
    CONFIG,
    DAYS,
    SPOILT,
    failing,
    failing_at_night,
    findings,
)
from medallion_assets_tests.pipeline.sample import Site


def test_a_sound_week_passes_everything(sound: Site) -> None:
    assert (failing(sound, DAYS), failing_at_night(sound)) == (set(), set())


def test_the_last_day_is_judged_by_all(sound: Site) -> None:
    """None passes since it has nothing to say."""
    assert [name for name, finding in findings(sound).items() if not finding.judged] == []


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_spoilt_fails_one_check_alone(spoil: Callable[[Site], None], site: Site) -> None:
    spoil(site)
    assert failing(site) == {SPOILT[spoil]}
    [finding] = (finding for finding in findings(site).values() if not finding.passed)
    assert finding.failing == DAYS[-1:]


def test_every_check_that_there_is_can_fail(sound: Site) -> None:
    behind = {name for stage in sound.stages.all() for name in looks_of(stage, CONFIG, sound.stages)}
    at_night = set(store_looks(sound.stages, sound.store))
    assert behind == {name.split(":")[1] for name in SPOILT.values()}
    assert behind | at_night == set(KINDS)
