"""A small pipeline with releases, built and cut without Dagster."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from medallion_assets.cli import main
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.release.audit import Audit, audit
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.drift import Today
from medallion_assets.release.manifest import Release, find_release
from medallion_assets_tests.pipeline import sample, units_sample
from medallion_assets_tests.pipeline.sample import Site, land_three_days
from medallion_assets_tests.pipeline.units_sample import build_day

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
EVERYTHING = {"name": "v1", "recipes": ["packed", "plain"], "from": DAYS[0], "to": DAYS[-1]}


def with_releases(
    *releases: dict[str, Any], base: PipelineConfig = sample.CONFIG, **keys: Any
) -> PipelineConfig:
    """The configuration of the sample with these releases, and with other keys."""
    return PipelineConfig.model_validate({**base.model_dump(mode="json"), "releases": releases, **keys})


class ReleaseSite:
    """A site, its configuration, and what can be done with its releases."""

    def __init__(self, folder: Path, config: PipelineConfig) -> None:
        self.config = config
        self.site = Site(folder, config)
        self.store = self.site.store

    def build(self, days: Iterable[str] = DAYS) -> ReleaseSite:
        for day in days:
            build_day(self.site, day)
        return self

    def plan(self, name: str = "v1") -> Plan:
        [release] = (each for each in self.config.releases if each.name == name)
        return Plan.of(release, self.config, self.site.stages)

    def cut(self, name: str = "v1") -> Release:
        return cut(self.plan(name), self.store)[0]

    def release(self, name: str = "v1") -> Release:
        return find_release(name, self.store.root)

    def audit(self, name: str = "v1", *, today: PipelineConfig | None = None) -> Audit:
        """`today` is another configuration than the site's, if given."""
        stages = Site(self.site.roots.data.parent, today).stages if today else self.site.stages
        return audit(self.release(name), self.store, Today.of(today or self.config, stages))


def three_days(folder: Path, config: PipelineConfig | None = None) -> ReleaseSite:
    made = ReleaseSite(folder, config or with_releases(EVERYTHING))
    land_three_days(made.site)
    return made.build()


def all_units(folder: Path) -> ReleaseSite:
    """SFT pairs that rollouts lead to, too, and an evaluation set that lands day by day."""
    release = {"name": "v1", "recipes": ["packed"], "from": DAYS[1], "to": DAYS[1]}
    made = ReleaseSite(folder, with_releases(release, base=units_sample.CONFIG))
    units_sample.land_all_units(made.site)
    return made.build()


def flip(path: Path, at: float = 0.5) -> None:
    """One bit of the file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.unlink()  # the store has the same bytes under another name
    path.write_bytes(content)


def medallion(site: ReleaseSite, *words: str) -> Result:
    """The command line on the site's store and configuration."""
    config = site.store.root.parent / "pipeline.yaml"
    config.write_text(json.dumps(site.config.model_dump(mode="json")))
    options = ["--config", str(config)] if words[0] in ("audit", "verify") else []
    return CliRunner().invoke(main, [*words, *options], env={"MEDALLION_DATA": str(site.store.root)})
