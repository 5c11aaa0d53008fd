"""Post-training data from raw annotation exports to trainer-ready tables, as Dagster assets.

The public names are `build_pipeline`, `MedallionPipeline` and `ConfigError`; they load Dagster when first
used, so that the parts that need no Dagster stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medallion_assets.pipeline import ConfigError, MedallionPipeline, build_pipeline

__all__ = ["ConfigError", "MedallionPipeline", "build_pipeline"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from medallion_assets import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
