"""Formats found by name: what a module of formats/ declares, as one object.

Belongs here: discovery and defaults. Does not: any format.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from medallion_assets.conform import formats
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.plain import Reader
from medallion_assets.units import Record


def _no_problems(unit: str, options: Options) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Format:
    """A source format; see the head of formats/ for what each attribute promises."""

    name: str
    units: tuple[str, ...]
    conform: Callable[[Any, Delivery], Record]
    options: tuple[str, ...] = ()
    problems: Callable[[str, Options], Iterator[str]] = _no_problems
    columns: tuple[str, ...] | None = None
    marker: str | None = None
    plain: Reader | None = None


@cache
def format_names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))


@cache
def load_format(name: str) -> Format:
    module = importlib.import_module(f"{formats.__name__}.{name}")
    return Format(
        name,
        units=module.UNITS,
        conform=module.conform,
        options=getattr(module, "OPTIONS", ()),
        problems=getattr(module, "problems", _no_problems),
        columns=getattr(module, "COLUMNS", None),
        marker=getattr(module, "MARKER", None),
        plain=getattr(module, "plain", None),
    )
