"""What no single key of the configuration can see: names that clash, formats and units that don't fit.

Belongs here: checks across keys, each yielding problems with their place. Does not: reading or wording of
the whole error (file.py).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from medallion_assets.config.alerts import AlertsConfig, alert_complaints
from medallion_assets.config.pipeline import EvalSetConfig, RecipeConfig, RolloutsConfig, SourceConfig
from medallion_assets.config.quality import QualityConfig, merged
from medallion_assets.config.release import ReleaseConfig, complaints
from medallion_assets.config.stream import StreamConfig, stream_complaints
from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import Format, format_names, load_format
from medallion_assets.curate.derived import NAMES
from medallion_assets.schemas import (
    DATA_UNITS,
    EVAL_PREFIX,
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    RL_CURRICULUM,
    ROLLOUT_UNIT,
    SFT_UNIT,
    UNIT_SCHEMAS,
    TableSchema,
)
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.text.compared import PARTS

Place = tuple[str | int, ...]
Named = SourceConfig | RecipeConfig | EvalSetConfig | ReleaseConfig | StreamConfig
OPTION_DEFAULTS = Options()
# What may become of records that are too long. A prompt without its end asks for something else.
TOO_LONG = {
    SFT_UNIT: ("reject", "split", "truncate"),
    PREFERENCE_UNIT: ("reject", "truncate"),
    PROMPT_UNIT: ("reject",),
    RL_CURRICULUM.name: ("reject",),
    ROLLOUT_UNIT: ("reject", "truncate"),
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where, as a path of keys, and what to do about it."""

    place: Place
    message: str


@dataclass(frozen=True)
class Sections:
    """What of a configuration could be read, by place. Not `complete` where something could not."""

    sources: Mapping[int, SourceConfig]
    recipes: Mapping[int, RecipeConfig] = field(default_factory=dict)
    eval_sets: Mapping[int, EvalSetConfig] = field(default_factory=dict)
    releases: Mapping[int, ReleaseConfig] = field(default_factory=dict)
    rollouts: RolloutsConfig = field(default_factory=RolloutsConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    alerts: AlertsConfig | None = None
    streams: Mapping[int, StreamConfig] = field(default_factory=dict)
    complete: bool = True

    @property
    def fed_units(self) -> set[str]:
        if not self.complete:
            return set(DATA_UNITS)
        return {source.unit for source in self.sources.values()} | set(self.rollouts.feeds)

    @property
    def packaged(self) -> set[str]:
        """What there is to make recipes of."""
        rated = self.rollouts.pass_rates is not None or not self.complete
        return self.fed_units | ({RL_CURRICULUM.name} if rated else set())

    def sources_of(self, unit: str) -> set[str]:
        """Those that feed what a recipe packages, what is made of rollouts among them."""
        unit = PROMPT_UNIT if unit == RL_CURRICULUM.name else unit
        made = {NAMES[unit]} if unit in self.rollouts.feeds else set()
        return {source.name for source in self.sources.values() if source.unit == unit} | made


def problems_across(read: Sections) -> list[Problem]:
    """Every problem that takes more than one key to see."""
    return [
        *_duplicates("sources", read.sources),
        *_duplicates("recipes", read.recipes),
        *_duplicates("eval_sets", read.eval_sets),
        *_duplicates("releases", read.releases),
        *_duplicates("streams", read.streams),
        *(problem for place, source in read.sources.items() for problem in _source_problems(place, source)),
        *(
            problem
            for place, recipe in read.recipes.items()
            for problem in _recipe_problems(("recipes", place), recipe, read)
        ),
        *_release_problems(read),
        *_rollout_problems(read.rollouts, read.fed_units),
        *_stream_problems(read),
        *_alert_problems(read.alerts),
        *_crossed_bounds(("quality",), read.quality),
        *(
            problem
            for place, source in read.sources.items()
            if source.quality is not None
            for problem in _crossed_bounds(
                ("sources", place, "quality"), merged(read.quality, source.quality)
            )
        ),
    ]


def choose_from(got: str, allowed: Iterable[str]) -> str:
    """The words 'allowed: …', with the nearest name where one is near."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=1)
    return f"allowed: {', '.join(names)}" + (f"; did you mean {near[0]!r}?" if near else "")


def _duplicates(section: str, items: Mapping[int, Named]) -> Iterator[Problem]:
    for name, count in Counter(item.name for item in items.values()).items():
        if count > 1:
            last = max(place for place, item in items.items() if item.name == name)
            yield Problem((section, last, "name"), f"{name!r} names {count} {section}; names must be unique")


def _source_problems(place: int, source: SourceConfig) -> Iterator[Problem]:
    at = ("sources", place)
    if source.name.startswith(EVAL_PREFIX) or source.name in NAMES.values():
        taken = f"{EVAL_PREFIX}*, {', '.join(NAMES.values())}"
        yield Problem((*at, "name"), f"{source.name!r} is a name of our own ({taken}); choose another")
    if source.unit not in DATA_UNITS:
        yield Problem((*at, "unit"), _unit_message(source.unit))
    else:
        for number, part in enumerate(source.compare or ()):
            if part not in PARTS[source.unit]:
                message = f"{part!r} is no part of {source.unit}; {choose_from(part, PARTS[source.unit])}"
                yield Problem((*at, "compare", number), message)
    if source.format not in format_names():
        yield Problem(
            (*at, "format"), f"{source.format!r} is no format; {choose_from(source.format, format_names())}"
        )
    elif source.unit in DATA_UNITS:
        yield from _format_problems(at, source, load_format(source.format))


def _format_problems(at: Place, source: SourceConfig, format_: Format) -> Iterator[Problem]:
    if source.unit not in format_.units:
        feeds = ", ".join(format_.units)
        yield Problem(
            (*at, "format"), f"format {format_.name!r} feeds {feeds}, but the source's unit is {source.unit}"
        )
        return
    for name in ("fields", "votes", "ties", "annotators", "verifier"):
        if name not in format_.options and getattr(source.options, name) != getattr(OPTION_DEFAULTS, name):
            honoured = ", ".join(format_.options) or "none"
            yield Problem(
                (*at, name), f"format {format_.name!r} does not look at {name!r}; it looks at: {honoured}"
            )
    yield from (
        Problem((*at, "fields"), message) for message in format_.problems(source.unit, source.options)
    )


def _recipe_problems(at: Place, recipe: RecipeConfig, read: Sections) -> Iterator[Problem]:
    fed = read.packaged
    if recipe.unit not in GOLD_SCHEMAS:
        message = f"{recipe.unit!r} is nothing to package; {choose_from(recipe.unit, GOLD_SCHEMAS)}"
        yield Problem((*at, "unit"), message)
        return
    if recipe.unit == RL_CURRICULUM.name and recipe.unit not in fed:
        yield Problem(
            (*at, "unit"), f"{recipe.unit} is made where rollouts.pass_rates is given: pass_rates: {{}}"
        )
    elif recipe.unit not in fed:
        message = f"no source feeds the unit {recipe.unit!r}; units with a source: {', '.join(sorted(fed))}"
        yield Problem((*at, "unit"), message)
    yield from _packaging_problems(at, recipe)
    yield from _selection_problems(at, recipe, read)


def _packaging_problems(at: Place, recipe: RecipeConfig) -> Iterator[Problem]:
    if recipe.unit != SFT_UNIT and recipe.packing != RecipeConfig.model_fields["packing"].default:
        yield Problem((*at, "packing"), f"{recipe.unit} has a row a record; packing is for {SFT_UNIT}")
    if recipe.too_long not in TOO_LONG[recipe.unit]:
        allowed = ", ".join(TOO_LONG[recipe.unit])
        yield Problem((*at, "too_long"), f"{recipe.unit} can't be {recipe.too_long!r}; allowed: {allowed}")


def _selection_problems(at: Place, recipe: RecipeConfig, read: Sections) -> Iterator[Problem]:
    feeding = read.sources_of(recipe.unit)
    for source in (recipe.mix or {}) if read.complete else ():
        if source not in feeding:
            message = f"{source!r} does not feed {recipe.unit}; {choose_from(source, feeding)}"
            yield Problem((*at, "mix", source), message)
    first, last = recipe.landed.first, recipe.landed.last
    if first is not None and last is not None and first > last:
        yield Problem((*at, "landed"), f"first is {first} and last is {last}, so nothing would be taken")
    if recipe.holdout is not None and any(each.name == recipe.holdout_name for each in read.recipes.values()):
        message = f"what is held out goes to gold/{recipe.holdout_name}, which is a recipe's name too"
        yield Problem((*at, "holdout"), message)
    if recipe.where is not None:
        schema = RL_CURRICULUM if recipe.unit == RL_CURRICULUM.name else UNIT_SCHEMAS[recipe.unit]
        yield from _filter_problems((*at, "where"), recipe.where, schema)


def _filter_problems(at: Place, expression: str, schema: TableSchema) -> Iterator[Problem]:
    from medallion_assets.package.choose.filter import FilterError, columns_read

    try:
        columns_read(expression, schema)
    except FilterError as error:
        yield Problem(at, str(error))


def _release_problems(read: Sections) -> Iterator[Problem]:
    """A recipe that could not be read is a problem already, and not one of the releases that name it."""
    if read.complete:
        units = {recipe.name: recipe.unit for recipe in read.recipes.values()}
        for place, release in read.releases.items():
            for keys, message in complaints(release, units=units, sft=SFT_UNIT):
                yield Problem(("releases", place, *keys), message)


def _rollout_problems(rollouts: RolloutsConfig, fed: set[str]) -> Iterator[Problem]:
    for name in sorted(rollouts.model_fields_set):
        if getattr(rollouts, name) is None:
            continue
        if ROLLOUT_UNIT not in fed:
            yield Problem(("rollouts", name), f"no source feeds {ROLLOUT_UNIT}")
        if name == "pass_rates" and PROMPT_UNIT not in fed:
            yield Problem(
                ("rollouts", name), f"no source feeds {PROMPT_UNIT}, which pass rates are joined to"
            )


def _stream_problems(read: Sections) -> Iterator[Problem]:
    units = {source.name: source.unit for source in read.sources.values()}
    redacted = {source.name for source in read.sources.values() if source.redact is not None}
    for place, stream in read.streams.items() if read.complete else ():
        for keys, message in stream_complaints(stream, units=units, redacted=redacted, unit=ROLLOUT_UNIT):
            yield Problem(("streams", place, *keys), message)
    if read.complete and read.streams and read.rollouts.max_policy_lag is None:
        message = "rollouts.max_policy_lag is not set, and it bounds what is served; set it"
        yield Problem(("streams",), message)


def _alert_problems(alerts: AlertsConfig | None) -> Iterator[Problem]:
    for keys, message in alert_complaints(alerts) if alerts is not None else ():
        yield Problem(("alerts", *keys), message)


def _crossed_bounds(at: Place, quality: QualityConfig) -> Iterator[Problem]:
    """A source's bound may cross the other one of the common thresholds, which it did not set."""
    for name in ("prompt_characters", "answer_characters"):
        least, most = getattr(quality, f"min_{name}"), getattr(quality, f"max_{name}")
        if least is not None and most is not None and least > most:
            yield Problem(at, f"min_{name} is {least} and max_{name} is {most}, so nothing would pass")


def _unit_message(unit: str) -> str:
    return f"{unit!r} is no data unit; {choose_from(unit, DATA_UNITS)}"
