"""The configuration of a release: which recipes it freezes, over which landing dates.

Belongs here: its keys and what it may say of the recipes. Does not: cutting it (release/cut.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Complaint = tuple[tuple[str | int, ...], str]  # the key below the release, and what is wrong with it


class ReleaseConfig(BaseModel):
    """Frozen gold: `from` and `to` are landing dates, both included."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    name: Name = Field(description="Slug; the asset is releases/<name>. A release never changes.")
    recipes: list[str] = Field(min_length=1, description="The recipes whose gold it holds.")
    first: date = Field(alias="from", description="First landing date, YYYY-MM-DD.")
    last: date = Field(alias="to", description="Last landing date.")
    layouts: list[Literal["megatron", "axolotl"]] = Field(
        default=[], description="Besides the rows of gold, what SFT recipes are written as."
    )


def complaints(release: ReleaseConfig, *, units: Mapping[str, str], sft: str) -> Iterator[Complaint]:
    """What is wrong with a release, given each recipe's unit."""
    for number, recipe in enumerate(release.recipes):
        if recipe not in units:
            allowed = ", ".join(sorted(units)) or "none"
            yield ("recipes", number), f"there is no recipe {recipe!r}; allowed: {allowed}"
        elif recipe in release.recipes[:number]:
            yield ("recipes", number), f"the recipe {recipe!r} is there more than once"
    if release.first > release.last:
        yield ("from",), f"{release.first} comes after `to`, {release.last}"
    if release.layouts and not any(units.get(recipe) == sft for recipe in release.recipes):
        yield ("layouts",), f"layouts are of {sft}, and no recipe of the release packages that"
