"""Laws of ETL redaction: whatever happens to a run, nothing that it leaves behind holds the originals."""

from __future__ import annotations

import errno
import io
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from medallion_assets.extract import stage
from medallion_assets.extract.inventory import Inventory
from medallion_assets.extract.redact import SALT_VARIABLE, Redaction
from medallion_assets.storage.store import Table
from medallion_assets_tests.pipeline.planted import found_in
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.sensitive import (
    DAY,
    IN_DEFECTS,
    IN_NAMES,
    IN_RECORDS,
    REDACT,
    SALT,
    land,
    sensitive_site,
    take_in,
)
from medallion_assets_tests.storage.samples import CHILDREN, DIED, die_before, exit_code_of, start

# Each child would import Dagster for itself.
CHILDREN.set_forkserver_preload(["pytest", "pandas", "medallion_assets_tests.pipeline.sensitive"])
PLANTED = (*IN_RECORDS, *IN_DEFECTS, *IN_NAMES)
FIRST = "export_export.roe@example.org_2024-09-01.jsonl"
WRITING = f"crm/{DAY}/writing.roe@example.org.jsonl"
FEW = [FIRST, "delim.roe@example.org.csv", "6502530002.parquet.gz"]


class Logged:
    """A run with all that it prints and logs, in a folder where the search reads it."""

    def __init__(self, site: Site, home: Path) -> None:
        self.site = site
        self.home = home
        self.folders = [site.roots.data, home]

    def run(self) -> dg.ExecuteInProcessResult | Exception:
        self.home.mkdir(parents=True, exist_ok=True)
        handler = logging.StreamHandler(printed := io.StringIO())
        logging.getLogger().addHandler(handler)
        try:
            with (
                redirect_stdout(printed),
                redirect_stderr(printed),
                dg.DagsterInstance.local_temp(str(self.home)) as instance,
            ):
                return self.site.run(DAY, instance=instance)
        except Exception as error:
            return error
        finally:
            logging.getLogger().removeHandler(handler)
            (self.home / "printed.txt").write_text(printed.getvalue())

    def found(self) -> dict[str, set[str]]:
        return found_in(PLANTED, self.folders)


@pytest.fixture(scope="module", autouse=True)
def _salted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SALT_VARIABLE, SALT)
        yield


def bronze_rows(site: Site) -> list[dict[str, Any]]:
    return rows_of(site, site.stages.sources[0].bronze.table)


def rows_of(site: Site, table: Table, *, rejects: bool = False) -> list[dict[str, Any]]:
    paths = site.store.paths(table, DAY, rejects=rejects)
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def redacted_run(folder: Path) -> Logged:
    logged = Logged(sensitive_site(folder, REDACT), folder / "home")
    land(logged.site)
    with (logged.site.roots.landing / WRITING).open("w"):
        result = logged.run()
    (logged.site.roots.landing / WRITING).unlink()
    assert isinstance(result, dg.ExecuteInProcessResult)
    assert result.success
    return logged


@pytest.fixture(scope="module")
def redacted(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    return redacted_run(tmp_path_factory.mktemp("redacted"))


def place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["export_sha256"], row["record_number"], row["line"], row["byte_offset"]


def stored(site: Site) -> list[Path]:
    return [path for path in site.roots.data.rglob("*.parquet") if path.is_file()]


def test_nothing_planted_is_left_by_a_run(redacted: Logged) -> None:
    assert redacted.found() == {}
    assert not list(redacted.site.roots.data.rglob("_raw"))


def test_the_same_search_finds_every_planted_value_where_nothing_is_redacted(tmp_path: Path) -> None:
    logged = Logged(sensitive_site(tmp_path, None), tmp_path / "home")
    land(logged.site)
    with (logged.site.roots.landing / WRITING).open("w"):
        logged.run()
    found = logged.found()
    beside_raw = {value for value, files in found.items() if any("_raw" not in file for file in files)}
    assert set(PLANTED) - set(found) == set()
    assert {*IN_RECORDS, *IN_NAMES} - beside_raw == set()
    assert found["link.roe"] >= {"printed.txt"}


def test_every_record_keeps_its_place_and_leaves_in_silver_or_in_the_rejects(redacted: Logged) -> None:
    site = redacted.site
    landed = bronze_rows(site)
    plain = sensitive_site(site.roots.data.parent / "plain", None)
    land(plain)
    bronze = plain.stages.sources[0].bronze
    plain.store.append(bronze.table, DAY, bronze.build(plain.store, DAY))
    assert [place(row) for row in landed] == [place(row) for row in bronze_rows(plain)]
    conformed, unit = site.stages.sources[0].conformed.table, site.stages.units["sft_pairs"].table
    fallen = [row for table in (conformed, unit) for row in rows_of(site, table, rejects=True)]
    left = Counter((row["export_sha256"], row["record_number"]) for row in [*rows_of(site, unit), *fallen])
    assert left == Counter((row["export_sha256"], row["record_number"]) for row in landed)


def test_what_can_not_be_redacted_field_by_field_is_withheld_and_told_by_its_reason(
    redacted: Logged,
) -> None:
    withheld = [row for row in bronze_rows(redacted.site) if row["defect"] and row["record_number"]]
    text = "the text is withheld, since the source is redacted"
    assert {row["defect"] for row in withheld} == {
        f"{reason}: {text}"
        for reason in ("invalid_json", "invalid_utf8", "too_large", "duplicate_key", "ragged_row")
    }
    assert {(row["raw"], row["raw_bytes"]) for row in withheld} == {("", None)}


def test_masked_names_keep_their_folders_dates_and_suffixes(redacted: Logged) -> None:
    names = {row["file"] for row in bronze_rows(redacted.site)}
    assert names == {
        f"{DAY}/{name}"
        for name in (
            "[email]_2024-09-01.jsonl",
            "[email].csv",
            "calls of [phone].csv.gz",
            "[email].parquet",
            "[phone].parquet.gz",
            "[email]/[email].json",
            "lines.jsonl.zst",
            "[email].jsonl.gz",
            *("broken.json", "broken.csv", "broken.tsv", "broken.parquet", "cut.jsonl"),
        )
    }


def test_equal_identifiers_hash_equally_in_every_container(redacted: Logged) -> None:
    users, makers = Counter[str](), Counter[str]()
    for row in bronze_rows(redacted.site):
        value = json.loads(row["raw"]) if row["raw"] else {}
        if isinstance(value, dict) and "user" in value:
            user = json.loads(value["user"]) if isinstance(value["user"], str) else value["user"]
            users[user["id"]] += 1
            makers.update(turn["by"] for turn in value.get("turns", ()))
    assert (len(users), len(makers), set(users) < set(makers)) == (1, 2, True)
    assert users.total() == 4 + 1 + 1 + 3 + 3 + 2 + 1


def test_a_rerun_and_a_run_elsewhere_give_the_same_bytes(redacted: Logged, tmp_path: Path) -> None:
    before = redacted.site.fingerprint()
    redacted.run()
    assert redacted.site.fingerprint() == before
    assert redacted_run(tmp_path).site.fingerprint() == before


@pytest.mark.parametrize(("salt", "fault"), [(None, "is not set"), ("short", "has 5 bytes")])
def test_without_a_usable_salt_a_run_fails_and_stores_no_record(
    salt: str | None, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SALT_VARIABLE)
    if salt is not None:
        monkeypatch.setenv(SALT_VARIABLE, salt)
    logged = Logged(sensitive_site(tmp_path, REDACT), tmp_path / "home")
    land(logged.site)
    assert f"{SALT_VARIABLE} {fault}" in str(logged.run())
    assert (logged.found(), stored(logged.site)) == ({}, [])


def test_a_record_that_redaction_fails_on_is_told_by_its_place_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(redaction: Redaction, value: Any, salt: bytes) -> Any:
        raise ValueError(f"can't do {value!r}")

    monkeypatch.setattr(Redaction, "record", failing)
    logged = Logged(sensitive_site(tmp_path, REDACT), tmp_path / "home")
    land(logged.site, [FIRST])
    assert "record 1, on line 1, can't be redacted (ValueError)" in str(logged.run())
    assert (logged.found(), stored(logged.site)) == ({}, [])


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"instruction": "long.roe@example.org", "output": "x"}')


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (FIRST, rewritten, "[email]_2024-09-01.jsonl changed while it was read"),
        ("calls of (650) 253-0001.csv.gz", cut, "calls of [phone].csv.gz changed while it was read"),
        (FIRST, Path.unlink, f"No such file or directory: '{DAY}/[email]_2024-09-01.jsonl'"),
    ],
)
def test_a_file_that_changes_after_it_was_seen_is_not_stored_and_not_named(
    name: str, change: Callable[[Path], None], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Logged(sensitive_site(tmp_path, REDACT), tmp_path / "home")
    land(logged.site, [name])
    scan = stage.scan

    def scanned(landing: Path, *arguments: Any, **options: Any) -> Inventory:
        seen = scan(landing, *arguments, **options)
        change(landing / DAY / name)
        return seen

    monkeypatch.setattr(stage, "scan", scanned)
    assert told in str(logged.run())
    assert (logged.found(), stored(logged.site)) == ({}, [])


def test_an_error_of_the_landing_folder_does_not_name_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Logged(sensitive_site(tmp_path, REDACT), tmp_path / "home")
    land(logged.site, [FIRST])

    opened = Path.open

    def failing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == FIRST:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", failing)
    assert f"Input/output error: '{logged.site.roots.landing}/crm/{DAY}/[email]_" in str(logged.run())
    assert (logged.found(), stored(logged.site)) == ({}, [])


def test_nothing_planted_is_left_wherever_a_run_is_killed(tmp_path: Path) -> None:
    land(sensitive_site(tmp_path, REDACT), FEW)
    root, found, temporaries, nth, code = tmp_path / "data", {}, 0, 0, DIED
    while code == DIED:
        nth += 1
        shutil.rmtree(root, ignore_errors=True)
        code = exit_code_of(start(die_before, take_in, root, nth))
        found |= found_in(PLANTED, [root])
        temporaries += sum(path.stat().st_size > 0 for path in root.rglob(".tmp-*"))
    assert (found, code) == ({}, 0)
    assert temporaries > 2 * len(FEW)


def test_compressed_parquet_is_unpacked_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a temporary file was asked for")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refused)
    site = sensitive_site(tmp_path, REDACT)
    land(site, ["6502530002.parquet.gz"])
    bronze = site.stages.sources[0].bronze
    assert site.store.append(bronze.table, DAY, bronze.build(site.store, DAY)).manifest.rows == 3
    assert not (site.roots.data / ".scratch").exists()
