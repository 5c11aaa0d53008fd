"""The writer of each layer on a small pipeline of its own, ready to be disturbed.

Belongs here: the stores that writers start from and should end in. Does not: how they are disturbed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from medallion_assets.checks.conservation import balance_of
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.curate.buckets import FOLDER_NAME as BUCKETS
from medallion_assets.curate.buckets import sweep as sweep_buckets
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.sweep import sweep as sweep_releases
from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets_tests.faults.trees import differences, linked_copy, tree
from medallion_assets_tests.pipeline.works import Works

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
DAY = DAYS[1]
TOKENIZER = {"path": "medallion_assets/tokenizers/chatml"}
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAYS[0],
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "chats", "unit": "sft_pairs", "format": "messages"},
        ],
        "recipes": [{"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 64}],
        "releases": [{"name": "v1", "recipes": ["packed"], "from": DAYS[0], "to": DAYS[2]}],
    }
)


def alpaca(ask: str, answer: str) -> dict[str, str]:
    return {"instruction": ask, "input": "", "output": answer}


def land_first(works: Works) -> None:
    """Three days: repeats within and across them, near-duplicates, bad rows, a broken file."""
    for number, day in enumerate(DAYS):
        rows = [alpaca(f"ask {n} of many", f"the answer to {n} " * 6) for n in range(number * 8, 20 + number)]
        works.land(f"alpaca/{day}/a.jsonl", [*rows, alpaca("bad", ""), "{cut"])
        turns = [{"role": role, "content": f"{role} {number} " * 9} for role in ("user", "assistant") * 2]
        works.land(f"chats/{day}/c.jsonl", [{"messages": turns}, {"messages": []}, {"x": 1}])
    works.drop(f"chats/{DAY}/broken.json", b'[{"messages": []}')


def land_second(works: Works) -> None:
    """Later, for the second day: new records, and some that repeat what the third day has."""
    rows = [alpaca(f"ask {n} of many", f"the answer to {n} " * 6) for n in range(18, 34)]
    works.land(f"alpaca/{DAY}/late.jsonl", [*rows, alpaca("new", "words " * 90)])
    works.land(f"alpaca/{DAY}/later.jsonl", [alpaca("other", "more words")])


@dataclass(frozen=True)
class Layer:
    """A writer: what it needs to be there, and its work."""

    name: str
    before: Callable[[Works], None]
    write: Callable[[Works], None]

    def run(self, folder: Path) -> None:
        self.write(Works(folder, CONFIG))


def _bronze(works: Works) -> None:
    works.build(works.stage("bronze/alpaca"), DAY)


def _conformed(works: Works) -> None:
    works.build(works.stage("silver/alpaca_conformed"), DAY)


def _unit(works: Works) -> None:
    shutil.rmtree(works.store.root / ".buckets", ignore_errors=True)
    works.build(works.stage("silver/sft_pairs"), DAY)


def _gold(works: Works) -> None:
    works.build(works.stage("gold/packed"), DAY)


def _release(works: Works) -> None:
    [release] = CONFIG.releases
    cut(Plan.of(release, CONFIG, works.stages), works.store)


@cache
def _first() -> TemporaryDirectory[str]:
    """Three days as they were before anything else landed: made once, copied often."""
    folder = TemporaryDirectory(prefix="faults-")
    works = Works(Path(folder.name), CONFIG)
    land_first(works)
    for day in DAYS:
        works.build_day(day)
    return folder


def _after(*writes: Callable[[Works], None]) -> Callable[[Works], None]:
    def before(works: Works) -> None:
        linked_copy(Path(_first().name), works.roots.landing.parent)
        land_second(works)
        for write in writes:
            write(works)

    return before


def _silver_alone(works: Works) -> None:
    _after(_bronze, _conformed, _unit)(works)
    shutil.rmtree(works.store.root / "gold")
    shutil.rmtree(works.store.root / ".proofs", ignore_errors=True)


def _settled(works: Works) -> None:
    _after()(works)
    for day in DAYS:
        works.build_day(day)


LAYERS = {
    layer.name: layer
    for layer in (
        Layer("bronze", _after(), _bronze),
        Layer("conformed", _after(_bronze), _conformed),
        Layer("unit", _after(_bronze, _conformed), _unit),
        Layer("gold", _after(_bronze, _conformed, _unit), _gold),
        Layer("first_gold", _silver_alone, _gold),
        Layer("release", _settled, _release),
    )
}


def write(name: str, folder: Path) -> None:
    """What a child process runs."""
    LAYERS[name].run(folder)


@cache
def stand_of(name: str) -> Stand:
    """One for all faults; each resets it."""
    folder = TemporaryDirectory(prefix="faults-")
    stand = Stand(LAYERS[name], Path(folder.name))
    stand.keep = folder
    return stand


class Stand:
    """A layer's writer with the store that it starts from, and the one it should end in."""

    def __init__(self, layer: Layer, ground: Path) -> None:
        self.layer = layer
        self.keep: object = None
        self.folder = ground / "store"
        self._start = ground / "start"
        layer.before(Works(self._start, CONFIG))
        self.swept(self._start)
        self.old = tree(self._start / "data")
        self.reset()
        layer.run(self.folder)
        self.new = tree(self.folder / "data")
        self.swept(self.folder)
        self.expected = tree(self.folder / "data")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def reset(self) -> None:
        linked_copy(self._start, self.folder)

    def swept(self, folder: Path) -> None:
        works = Works(folder, CONFIG)
        for stage in works.stages.all():
            works.store.sweep(stage.table, grace_seconds=-1)
        for unit in works.stages.units:
            sweep_buckets(works.store.root / BUCKETS / unit)
        sweep_releases(works.store.root, grace_seconds=-1)

    def not_whole(self) -> str | None:
        """What in the store is neither of the old generation nor of the new, or of neither one whole."""
        now = tree(self.data)
        lost = sorted(self.old.keys() - now.keys())
        if lost:
            return f"{lost} of the old generation is gone"
        odd = [path for path, sha in now.items() if sha not in (self.old.get(path), self.new.get(path))]
        if odd:
            return f"{sorted(odd)} is of no generation"
        pointers = [path for path in self._pointers if now.get(path) != self.old.get(path)]
        if pointers and (half := sorted(self._needed - now.keys())):
            return f"{pointers} is new, and of its files {half} are missing"
        return None

    def rerun_differs(self) -> str | None:
        """How the store differs from the expected one after the writer has run once more."""
        self.layer.run(self.folder)
        self.swept(self.folder)
        return differences(self.expected, tree(self.data))

    def unbalanced(self) -> str | None:
        """Which partition of the store has lost or doubled a record."""
        works = Works(self.folder, CONFIG)
        for stage in works.stages.all():
            for key in works.store.keys(stage.table):
                found = None if isinstance(stage, BronzeStage) else balance_of(stage, works.store, key)
                if found is not None and not found.holds:
                    return f"{stage.asset_path} {key}: {found}"
        return None

    @cached_property
    def _pointers(self) -> list[str]:
        """What makes the new generation the present one."""
        changed = [path for path in self.new if self.new[path] != self.old.get(path)]
        return [path for path in changed if Path(path).name in (MANIFEST_NAME, "manifest.json")]

    @cached_property
    def _needed(self) -> set[str]:
        """The new files that a present generation must have. The version's pointer may come later."""
        return {path for path in self.new if path not in self.old and not path.endswith("_current")}
