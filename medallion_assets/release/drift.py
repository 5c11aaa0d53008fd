"""How what runs and what is configured today differs from what a release pins.

Belongs here: comparing pins, each difference with its cause. Does not: whether the bytes differ (audit.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from medallion_assets.config import PipelineConfig
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokenizer import TokenizerError, identity
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
    yield from _differing("configuration", _flat(then), _flat(now))


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
    """By table; its digest covers libraries too, so only where a module of ours has changed."""
    modules = list(_differing("code", then.modules, now.modules))
    if modules:
        for table in _differing("code", then.code, now.code):
            yield Drift("code", f"the code of {table.what}", table.then, table.now)
        yield from (Drift("code", f"module {each.what}", each.then, each.now) for each in modules)


def changed_tables(then: Environment, now: Environment) -> set[str]:
    """The tables whose code or libraries are others."""
    return {each.what for each in _differing("code", then.code, now.code)}


def _differing(cause: Cause, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Drift]:
    for what in sorted(then.keys() | now.keys()):
        before, after = then.get(what, ABSENT), now.get(what, ABSENT)
        if before != after:
            yield Drift(cause, what, before, after)


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Every leaf by its path; items that have names are found by them, wherever they stand in their list."""
    if isinstance(value, Mapping):
        children = ((f"{path}.{key}" if path else str(key), each) for key, each in value.items())
    elif isinstance(value, list | tuple) and value and all(_name(each) for each in value):
        children = ((f"{path}[{_name(each)}]", each) for each in value)
    else:
        return {path: canonical_json(value)}
    return {key: leaf for where, child in children for key, leaf in _flat(child, where).items()}


def _name(item: Any) -> str | None:
    return item.get("name") if isinstance(item, Mapping) else None
