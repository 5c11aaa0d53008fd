"""Which fan-outs there are, by the names that a configuration knows them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from medallion_assets.fanout.backend import LOCAL, Backend

BackendName = Literal["local", "pool", "ray"]


def backend_of(name: BackendName, workers: int | None = None) -> Backend:
    """`workers` is how many tasks run at once, if not as many as there are processors."""
    return BACKENDS[name](workers)


def _pool(workers: int | None) -> Backend:
    from medallion_assets.fanout.pool import Pool

    return Pool(workers)


def _ray(workers: int | None) -> Backend:
    from medallion_assets.fanout.ray_tasks import RayTasks

    return RayTasks(workers)


BACKENDS: dict[str, Callable[[int | None], Backend]] = {
    "local": lambda _: LOCAL,
    "pool": _pool,
    "ray": _ray,
}
