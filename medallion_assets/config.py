"""The pipeline's configuration: its keys, their types, and what they may say together.

Belongs here: the models and the checks across them. Does not: YAML and line numbers (config_file.py).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from medallion_assets.conform.conform import format_names, load_format
from medallion_assets.schemas import DATA_UNITS, UNIT_SCHEMAS

# The addresses that Dagster takes for an owner.
OWNER = r"^(team:[\w\-]+|[A-Za-z0-9_][A-Za-z0-9._%+\-]*@[A-Za-z0-9.\-]+\.[A-Za-z]{2,7})$"
Place = tuple[str | int, ...]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Owner = Annotated[str, StringConstraints(pattern=OWNER)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Model):
    """One feed."""

    name: Slug = Field(description="Slug; the asset is bronze/<name>.")
    unit: str = Field(description=f"The data unit it feeds: {', '.join(DATA_UNITS)}.")
    format: str = Field(
        description="How its records are written: a module of medallion_assets/conform/formats."
    )
    owner: Owner | None = Field(
        default=None, description="team:<name> or an e-mail address, shown in the UI."
    )
    landing: str | None = Field(default=None, description="Landing folder, if not <landing root>/<name>/.")


class TokenizerConfig(_Model):
    """A local folder, or a hub id with the revision that pins it."""

    path: str = Field(min_length=1, description="Folder with tokenizer.json; with `revision`, a hub id.")
    revision: str | None = Field(
        default=None, min_length=1, description="Revision of the hub id, best a commit."
    )


class RecipeConfig(_Model):
    """What a gold table is made of."""

    name: Slug = Field(description="Slug; the asset is gold/<name>.")
    unit: str = Field(description="The data unit it packages.")
    tokenizer: TokenizerConfig
    max_length: int = Field(
        default=2048, ge=16, le=1 << 20, description="Tokens per bin; longer records are rejected."
    )
    packing: Literal["best_fit", "none"] = "best_fit"


class EvalSetConfig(_Model):
    """An evaluation set; reserved, decontamination does not exist yet."""

    name: Slug
    fields: list[str]


class PipelineConfig(_Model):
    """The whole pipeline: the `attributes` of a medallion_assets.MedallionPipeline component."""

    start_date: date = Field(description="First landing date, YYYY-MM-DD.")
    sources: list[SourceConfig] = Field(min_length=1)
    eval_sets: list[EvalSetConfig] = Field(default=[], max_length=0)
    recipes: list[RecipeConfig] = []


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where, as a path of keys, and what to do about it."""

    place: Place
    message: str


def problems_across(
    sources: Mapping[int, SourceConfig], recipes: Mapping[int, RecipeConfig], *, complete: bool = True
) -> list[Problem]:
    """What no single key can see: duplicate names, formats and units that don't fit each other.

    Sources and recipes by their place; not `complete` where others could not be read.
    """
    fed = {source.unit for source in sources.values()} if complete else set(UNIT_SCHEMAS)
    return [
        *_duplicates("sources", {place: source.name for place, source in sources.items()}),
        *_duplicates("recipes", {place: recipe.name for place, recipe in recipes.items()}),
        *(problem for place, source in sources.items() for problem in _source_problems(place, source)),
        *(problem for place, recipe in recipes.items() for problem in _recipe_problems(place, recipe, fed)),
    ]


def choose_from(got: str, allowed: Iterable[str]) -> str:
    """The words 'allowed: …', with the nearest name where one is near."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=1)
    return f"allowed: {', '.join(names)}" + (f"; did you mean {near[0]!r}?" if near else "")


def _duplicates(section: str, names: Mapping[int, str]) -> Iterator[Problem]:
    for name, count in Counter(names.values()).items():
        if count > 1:
            last = max(place for place in names if names[place] == name)
            yield Problem((section, last, "name"), f"{name!r} names {count} {section}; names must be unique")


def _source_problems(place: int, source: SourceConfig) -> Iterator[Problem]:
    at = ("sources", place)
    if source.unit not in UNIT_SCHEMAS:
        yield Problem((*at, "unit"), _unit_message(source.unit))
    if source.format not in format_names():
        yield Problem(
            (*at, "format"), f"{source.format!r} is no format; {choose_from(source.format, format_names())}"
        )
    elif source.unit in UNIT_SCHEMAS and (feeds := load_format(source.format).unit) != source.unit:
        yield Problem(
            (*at, "format"), f"format {source.format!r} feeds {feeds}, but the source's unit is {source.unit}"
        )


def _recipe_problems(place: int, recipe: RecipeConfig, fed: Collection[str]) -> Iterator[Problem]:
    if recipe.unit not in UNIT_SCHEMAS:
        yield Problem(("recipes", place, "unit"), _unit_message(recipe.unit))
    elif recipe.unit not in fed:
        message = f"no source feeds the unit {recipe.unit!r}; units with a source: {', '.join(sorted(fed))}"
        yield Problem(("recipes", place, "unit"), message)


def _unit_message(unit: str) -> str:
    if unit in DATA_UNITS:
        return f"the data unit {unit!r} is not available in this version; {choose_from('', UNIT_SCHEMAS)}"
    return f"{unit!r} is no data unit; {choose_from(unit, UNIT_SCHEMAS)}"
