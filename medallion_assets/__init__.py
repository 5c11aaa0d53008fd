"""Post-training data from raw annotation exports to trainer-ready tables, as Dagster assets.

The public names are `build_pipeline`, `MedallionPipeline` and `ConfigError`; they load Dagster when first
used, so that the parts that need no Dagster stay light.
"""

from __future__ import annotations

import gc
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medallion_assets.pipeline import ConfigError, MedallionPipeline, build_pipeline

__all__ = ["ConfigError", "MedallionPipeline", "build_pipeline"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(_pipeline(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _pipeline() -> Any:
    _keep_modules()
    from medallion_assets import pipeline

    _keep_modules()
    return pipeline


def _keep_modules() -> None:
    """The garbage collector is not to look through Dagster again and again, and once more when a run ends:
    modules are no garbage, and that is a tenth of the CPU time of a small run. DuckDB's binding wants its own
    collected, and would print what it takes for leaks."""
    if "duckdb" not in sys.modules:
        gc.freeze()


def __dir__() -> list[str]:
    return [*globals(), *__all__]
