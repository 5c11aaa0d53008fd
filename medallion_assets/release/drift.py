"""How what runs and what is configured today differs from what a release pins.

Belongs here: comparing pins, each difference with its cause. Does not: whether the bytes differ (audit.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokens.tokenizer import TokenizerError, identity
from medallion_assets.records import canonical_json
from medallion_assets.release.manifest import Environment, PinnedTokenizer
from medallion_assets.release.pins import configuration_of
from medallion_assets.stages import PipelineStages

Cause = Literal["data", "configuration", "tokenizer", "library", "code", "unexplained"]
ABSENT = "absent"


@dataclass(frozen=True)
class Drift:
    """One pin that is something else today."""

    cause: Cause
    what: str
    then: str
    now: str


@dataclass(frozen=True)
class Today:
    """A pipeline as it is configured now, to compare pins with; tokenizers' identities by recipe."""

    configuration: Mapping[str, Any]
    tokenizers: Mapping[str, str]

    @staticmethod
    def of(config: PipelineConfig, stages: PipelineStages) -> Today:
        return Today(
            configuration_of(config), {name: _identity(gold) for name, gold in stages.recipes.items()}
        )


def _identity(gold: GoldStage) -> str:
    """One that can't be found any more is another one, too."""
    try:
        return identity(gold.tokenizer.folder())
    except (TokenizerError, OSError) as error:
        return f"none: {error}"


def configuration_drift(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Drift]:
    """By the dotted path of each key."""
    yield from _changed(then, now)


def tokenizer_drift(then: tuple[PinnedTokenizer, ...], now: Mapping[str, str]) -> Iterator[Drift]:
    """Of recipes that are still there."""
    for pin in then:
        if pin.recipe in now and now[pin.recipe] != pin.identity:
            what = f"the tokenizer of {pin.recipe} ({pin.source})"
            yield Drift("tokenizer", what, pin.identity, now[pin.recipe])


def library_drift(then: Environment, now: Environment) -> Iterator[Drift]:
    """Our own distribution is known by its code, not by its version."""
    runtimes = ("python", "unicode")
    yield from _differing(
        "library", *({name: getattr(each, name) for name in runtimes} for each in (then, now))
    )
    ours = "medallion-assets"
    packages = ({k: v for k, v in each.packages.items() if k != ours} for each in (then, now))
    yield from _differing("library", *packages)


def code_drift(then: Environment, now: Environment) -> Iterator[Drift]:
    """By table and by module: a table's digest covers libraries too, and not every module makes data."""
    tables = list(_differing("code", then.code, now.code))
    modules = list(_differing("code", then.modules, now.modules))
    if tables and modules:
        yield from (Drift("code", f"the code of {each.what}", each.then, each.now) for each in tables)
        yield from (Drift("code", f"module {each.what}", each.then, each.now) for each in modules)


def changed_tables(then: Environment, now: Environment) -> set[str]:
    """The tables whose code or libraries are others."""
    return {each.what for each in _differing("code", then.code, now.code)}


def _differing(cause: Cause, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Drift]:
    for what in sorted(then.keys() | now.keys()):
        before, after = then.get(what, ABSENT), now.get(what, ABSENT)
        if before != after:
            yield Drift(cause, what, before, after)


def _changed(then: Any, now: Any, path: str = "") -> Iterator[Drift]:
    """What is on one side only, at the highest key; items that have names are found by them."""
    before, after = _children(then), _children(now)
    if before is not None and after is not None:
        for key in sorted(before.keys() | after.keys()):
            yield from _changed(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}{key}")
    elif then != now:
        yield Drift("configuration", path.removeprefix("."), _told(then), _told(now))


def _children(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return {f".{key}": each for key, each in value.items()}
    if isinstance(value, list | tuple) and all(_name(each) for each in value):
        return {f"[{_name(each)}]": each for each in value}
    return None


def _told(value: Any) -> str:
    return ABSENT if value == ABSENT else canonical_json(value)


def _name(item: Any) -> str | None:
    return item.get("name") if isinstance(item, Mapping) else None
