"""A PostgreSQL server of a test's own, where the machine has the programs for one.

Belongs here: finding, starting and ending it. Does not: what is stored in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medallion_assets_tests.instance import free_port, wait_for

DEBIAN = Path("/usr/lib/postgresql")
# PostgreSQL refuses to run as root.
OTHER_USERS = ("postgres", "nobody")
START_SECONDS = 60.0
USER, PASSWORD = "dagster", "a secret/with@signs"


def postgres_programs() -> Path | None:
    """The folder that has initdb and postgres, the newest if there are several."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    return next((folder for folder in found if (folder / "postgres").exists()), None)


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Gives the address of an empty database on loopback, with the password in it."""
    as_user = _other_user() if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="medallion-postgres-") as name:
        folder, port = Path(name), free_port()
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            if as_user:
                shutil.chown(path, as_user["user"])
        words = [
            "--username",
            USER,
            "--auth",
            "scram-sha-256",
            "--pwfile",
            str(folder / "password"),
            "--no-sync",
        ]
        initdb = [str(programs / "initdb"), "--pgdata", str(folder / "data"), *words]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **as_user)
        server = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1"]
        settings = ["-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*server, *settings], cwd=folder, stdout=log, stderr=log, start_new_session=True, **as_user
            )
            try:
                wait_for(lambda: _answers(port), seconds=START_SECONDS, what="PostgreSQL")
                yield f"postgresql://{USER}:a%20secret%2Fwith%40signs@127.0.0.1:{port}/postgres"
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()


def _answers(port: int) -> bool:
    import psycopg2

    try:
        psycopg2.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def _other_user() -> dict[str, Any]:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": next(name for name in OTHER_USERS if name in names)}


def _version(programs: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in programs.parent.name.split(".") if part.isdigit())
