"""Rows 46 and 47: long random histories of a pipeline, each of which must end as if nothing had happened.

Land, deliver again, change in place, take days in any order, die in the middle, settle, change the rules,
release, clear up. After every step bronze holds what it held; in the end the store is, byte for byte, the one
that a fresh pipeline builds in one go from the same bronze exports with the last rules, every record is
accounted for, and every release still is what was released.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from medallion_assets.checks.conservation import balance_of
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.errors import ReleaseError
from medallion_assets.release.manifest import find_release
from medallion_assets.release.verify import altered, strangers
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest
from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG, DAYS, alpaca
from medallion_assets_tests.faults.trees import Tree, differences, tree
from medallion_assets_tests.pipeline.works import Works, outdated_days
from medallion_assets_tests.storage.samples import DIED, die_before

STEPS_OF_A_HISTORY = 14
Rules = dict[str, Any]
FIRST_RULES: Rules = {"near_duplicates": {"threshold": 0.8}, "max_length": 64, "quality": {}}
# What changes of the configuration, and to what.
CHANGES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("near_duplicates", ({"threshold": 0.8}, {"threshold": 0.95}, None)),
    ("max_length", (64, 96)),
    ("quality", ({}, {"min_answer_characters": 12})),
)


def configuration(rules: Rules, releases: int = 0) -> PipelineConfig:
    given = CONFIG.model_dump(mode="json")
    given["near_duplicates"], given["quality"] = rules["near_duplicates"], rules["quality"]
    given["recipes"][0]["max_length"] = rules["max_length"]
    frozen = {"recipes": ["packed"], "from": DAYS[0], "to": DAYS[-1]}
    given["releases"] = [{"name": f"v{number}", **frozen} for number in range(releases + 1)]
    return PipelineConfig.model_validate(given)


@dataclass
class Past:
    """A pipeline with all that was done to it so far."""

    folder: Path
    random: Random
    rules: Rules = field(default_factory=lambda: dict(FIRST_RULES))
    landed: dict[str, bytes] = field(default_factory=dict)
    bronze: Tree = field(default_factory=dict)
    releases: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def works(self) -> Works:
        return Works(self.folder, configuration(self.rules, self.releases))

    def step(self) -> str | None:
        """Does something; returns what it violated."""
        name, do = self.random.choices(*zip(*((each[:2], each[2]) for each in STEPS), strict=True))[0]
        self.said.append(name)
        do(self)
        now = _never_changing(self.folder / "data")
        lost = [path for path, sha in self.bronze.items() if now.get(path) != sha]
        self.bronze = now
        return f"bronze changed: {lost}" if lost else None


def _never_changing(data: Path) -> Tree:
    """Releases, kept exports, and the parts that manifests of bronze name: what a run that died had written
    beside them is none. An empty part stands for a day without exports, until one comes."""
    manifests = (data / "bronze").glob(f"*/dt=*/{MANIFEST_NAME}")
    named = {name for path in manifests for name in Manifest.read(path).file_names}
    return {
        path: sha
        for path, sha in tree(data).items()
        if path.startswith(("bronze/", "releases/"))
        and not path.endswith(MANIFEST_NAME)
        and "/part-empty-" not in path
        and (not path.startswith("bronze/") or "/dt=" not in path or path.rpartition("/")[2] in named)
    }


def _land(past: Past) -> None:
    random = past.random
    for _ in range(random.randint(1, 2)):
        number, day = len(past.landed), random.choice(DAYS)
        source, row = random.choice((("alpaca", _asked), ("chats", _said)))
        rows = [row(random) for _ in range(random.randint(0, 6))]
        rows += random.sample([{"x": 1}, "{cut", alpaca("", ""), "", "[]"], random.randint(0, 2))
        path = past.works.land(f"{source}/{day}/{number}.jsonl", rows)
        past.landed[f"{source}/{day}/{number}.jsonl"] = path.read_bytes()


def _asked(random: Random) -> dict[str, str]:
    """Of few questions, so that many are asked again, or almost so."""
    return alpaca(
        f"ask {random.randrange(9)} of many", f"answer {random.randrange(3)} " * random.randint(1, 9)
    )


def _said(random: Random) -> dict[str, Any]:
    asked = _asked(random)
    turns = (("user", asked["instruction"]), ("assistant", asked["output"]))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def _deliver_again(past: Past) -> None:
    """The same bytes under another name, of another day perhaps: nothing comes of it."""
    if past.landed:
        name = past.random.choice(sorted(past.landed))
        source = name.split("/")[0]
        past.works.drop(
            f"{source}/{past.random.choice(DAYS)}/again-{len(past.said)}.jsonl", past.landed[name]
        )


def _change_in_place(past: Past) -> None:
    """Other bytes under an old name: both are exports, once the first was taken."""
    if past.landed:
        name = past.random.choice(sorted(past.landed))
        past.works.land(name, [_asked(past.random) if name.startswith("alpaca") else _said(past.random)])


def _take(past: Past) -> None:
    """Some days in some order, or some tables of a day, as people choose them."""
    works, random = past.works, past.random
    for day in random.sample(DAYS, random.randint(1, len(DAYS))):
        if random.random() < 0.6:
            works.build_day(day)
        else:
            _take_some(works, random, day)


def _take_some(works: Works, random: Random, day: str) -> None:
    """Where an input of a table was never made, Dagster says so and nothing is built."""
    for stage in works.stages.all():
        if random.random() < 0.5 and all(works.store.manifest(table, day) for table in stage.inputs):
            works.settle(stage, day)


def _die(past: Past) -> None:
    """A run of a day that ends before a step of its own."""
    day, nth = past.random.choice(DAYS), past.random.randint(1, 120)
    code = start(run_until, past.folder, past.rules, day, nth).wait()
    if code not in (0, DIED):
        raise AssertionError(f"a run ended with {code}")


def run_until(folder: Path, rules: Rules, day: str, nth: int) -> None:
    die_before(lambda folder: Works(folder, configuration(rules)).build_day(day), folder, nth)


def _settle(past: Past) -> None:
    """What the nightly schedule does."""
    works = past.works
    for day in sorted(outdated_days(works.stages, works.store)):
        works.build_day(day.isoformat())


def _change_rules(past: Past) -> None:
    key, values = past.random.choice(CHANGES)
    past.rules[key] = past.random.choice(values)


def _release(past: Past) -> None:
    _settle(past)
    works, config = past.works, configuration(past.rules, past.releases)
    try:
        cut(Plan.of(config.releases[past.releases], config, works.stages), works.store)
    except ReleaseError:
        return  # of no row, or of a day that has not landed
    past.releases += 1


def _clear_up(past: Past) -> None:
    works, grace = past.works, past.random.choice((3600, -1))
    for stage in works.stages.all():
        works.store.sweep(stage.table, grace_seconds=grace)
    for unneeded in (".buckets", ".proofs", ".scratch"):
        if past.random.random() < 0.3:
            shutil.rmtree(works.store.root / unneeded, ignore_errors=True)


STEPS = (
    ("land", _land, 5),
    ("deliver again", _deliver_again, 2),
    ("change in place", _change_in_place, 1),
    ("take", _take, 4),
    ("die", _die, 2),
    ("settle", _settle, 1),
    ("change rules", _change_rules, 1),
    ("release", _release, 1),
    ("clear up", _clear_up, 2),
)


def _histories(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    for seed in seeds:
        folders = ground / str(seed)
        past = Past(folders / "lived", chance("history", seed))
        _land(past)
        wrong = next(filter(None, (past.step() for _ in range(STEPS_OF_A_HISTORY))), None)
        wrong = wrong or ended_wrong(past, folders / "fresh")
        shutil.rmtree(folders, ignore_errors=True)
        yield wrong and f"{wrong} after {', '.join(past.said)}"


def ended_wrong(past: Past, fresh: Path) -> str | None:
    _settle(past)
    _clear_up_all(past.works)
    return (
        _not_settled(past.works)
        or differences(_tables(fresh_store(past, fresh)), _tables(past.works))
        or _unbalanced(past.works)
        or _altered(past)
    )


def fresh_store(past: Past, folder: Path) -> Works:
    """All that bronze has taken, under its first name, built by the last rules in one go."""
    works = Works(folder, configuration(past.rules))
    for stage in past.works.stages.bronze():
        kept = past.works.store.table_folder(stage.table)
        for key in past.works.store.keys(stage.table):
            manifest = past.works.store.manifest(stage.table, key)
            works.build(works.stage(f"bronze/{stage.source}"), key)  # empty, should no export follow
            for sha256, told in (manifest.summary["exports"] if manifest else {}).items():
                path = works.drop(f"{stage.source}/{told['file']}", (kept / "_raw" / sha256).read_bytes())
                works.build(works.stage(f"bronze/{stage.source}"), key)
                path.unlink()  # another export may have had its name
    for day in sorted(outdated_days(works.stages, works.store)):
        works.build_day(day.isoformat())
    _clear_up_all(works)
    return works


def _clear_up_all(works: Works) -> None:
    for stage in works.stages.all():
        works.store.sweep(stage.table, grace_seconds=-1)


def _tables(works: Works) -> Tree:
    """Of the versions in use; a ledger also tells of other names, which a fresh store never met."""
    current = {f"v={stage.table.version}" for stage in works.stages.recipes.values()}
    return {
        path: sha
        for path, sha in tree(works.store.root).items()
        if path.startswith(("bronze/", "silver/", "gold/"))
        and "_exports" not in path
        and not (path.startswith("gold/") and "v=" in path and not current & set(path.split("/")))
    }


def _not_settled(works: Works) -> str | None:
    left = outdated_days(works.stages, works.store)
    return f"{sorted(map(str, left))} is not settled" if left else None


def _unbalanced(works: Works) -> str | None:
    for stage in works.stages.all():
        for key in works.store.keys(stage.table):
            found = None if isinstance(stage, BronzeStage) else balance_of(stage, works.store, key)
            if found is not None and not found.holds:
                return f"{stage.asset_path} {key}: {found}"
    return None


def _altered(past: Past) -> str | None:
    for number in range(past.releases):
        release = find_release(f"v{number}", past.folder / "data")
        if wrong := {**altered(release), **dict.fromkeys(strangers(release), "is a stranger")}:
            return f"release v{number}: {wrong}"
    return None


FAULTS = (Fault("histories", "46-47", "A B C D, bronze and releases never change", _histories, 4, 1000),)
