"""Where the Dagster instance keeps runs, events and ticks: SQLite, or the PostgreSQL of the environment.

Belongs here: that choice, for dagster.yaml, and how SQLite is connected to. Does not: data, which is the
partition store's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster import StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy.pool import StaticPool

from medallion_assets.instance.past_ticks import with_past_ticks
from medallion_assets.storage.files import exclusive_lock

POSTGRES_URL = "DAGSTER_POSTGRES_URL"
# The driver that dagster-postgres brings; which one an address without a driver means is up to SQLAlchemy.
SCHEMES = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}
# Databases that stay open in a process: the index of all assets, and those of the runs asked about last.
KEPT_OPEN = 8
BUSY_SECONDS = 60
LOCK_NAME = ".making"


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
        folder = config_value["sqlite_folder"]
        found = _postgres(url, inst_data) if url else SqliteStorage.from_local(folder, inst_data)
        with_past_ticks(found.schedule_storage)
        return found


class SqliteStorage(DagsterSqliteStorage):
    """Dagster's own, but for connections to the event log, and for others that are in the way.

    Processes that start together on an empty folder make its databases one after the other; and whoever finds
    a database locked, as by a back-up, waits as long for runs and ticks as Dagster does for events.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        with exclusive_lock(Path(base_dir) / LOCK_NAME):
            super().__init__(base_dir, inst_data)
            self._event_log_storage = EventLog(self._event_log_storage._base_dir)
        for storage in (self._run_storage, self._schedule_storage):
            storage._conn_string += f"?timeout={BUSY_SECONDS}"


class EventLog(SqliteEventLogStorage):
    """Dagster's own, with connections that stay open.

    Dagster opens and closes three or four for each event, which is two thirds of what an event costs: closing
    the last one of a database moves its journal into it.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sqlalchemy.Engine] = {}  # by database, the one used last at the end
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        # The lock is Dagster's: it lets one thread at a time connect to anything.
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        engine = self._engines.pop(shard, None) or self._opened(shard)
        self._engines[shard] = engine
        if len(self._engines) > KEPT_OPEN:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def _opened(self, shard: str) -> sqlalchemy.Engine:
        settings = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sqlalchemy.create_engine(
            self.conn_string_for_shard(shard), poolclass=StaticPool, connect_args=settings
        )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


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
