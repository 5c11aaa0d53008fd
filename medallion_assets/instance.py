"""Where the Dagster instance keeps runs, events and ticks: SQLite, or the PostgreSQL of the environment.

Belongs here: that choice, for dagster.yaml. Does not: data, which is the partition store's (storage/).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster import StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

POSTGRES_URL = "DAGSTER_POSTGRES_URL"
# The driver that dagster-postgres brings; which one an address without a driver means is up to SQLAlchemy.
SCHEMES = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}


class InstanceStorage(DagsterStorage, ConfigurableClass):
    """Never made itself: what dagster.yaml names becomes one of Dagster's own storages."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"sqlite_folder": StringSource}

    @classmethod
    def from_config_value(  # type: ignore[override]  # as Dagster's own storages do
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DagsterStorage:
        url = os.environ.get(POSTGRES_URL)
        if not url:
            return DagsterSqliteStorage.from_local(config_value["sqlite_folder"], inst_data)
        return _postgres(url, inst_data)


def _postgres(url: str, inst_data: ConfigurableClassData | None) -> DagsterStorage:
    try:
        from dagster_postgres import DagsterPostgresStorage
    except ImportError as error:
        raise RuntimeError(
            f"{POSTGRES_URL} is set, and dagster-postgres is not installed: pip install '.[postgres]', "
            f"or unset {POSTGRES_URL} to use SQLite"
        ) from error
    scheme, separator, rest = url.partition("://")
    return DagsterPostgresStorage(f"{SCHEMES.get(scheme, scheme)}{separator}{rest}", inst_data=inst_data)
