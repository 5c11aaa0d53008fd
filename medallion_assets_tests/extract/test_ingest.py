"""Laws of bronze: an export's bytes are kept once, exactly, and every record of it has its row."""

from __future__ import annotations

import gzip
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.extract import compression, ingest
from medallion_assets.extract.ingest import ExportChanged, bronze_rows, keep_raw
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.schemas import BRONZE
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.extract.landing import Landing, sha256_of
from medallion_assets_tests.storage.samples import (
    DIED,
    contents,
    die_before,
    exit_code_of,
    start,
    temporaries,
)

DAY = date(2024, 9, 1)
KEY = DAY.isoformat()
TABLE = BronzeStage("chat", Path()).table


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def take(landing: Path, data: Path) -> PartitionStore:
    """One run of the bronze stage over everything that landed."""
    stage, store = BronzeStage("chat", landing), PartitionStore(data)
    inventory = stage.inventory(store)
    days = [day.isoformat() for day in inventory.by_date()]
    for key, append in stage.builds(store, days, inventory).items():
        store.append(stage.table, key, append)
    return store


def rows_in(store: PartitionStore, key: str = KEY) -> list[dict[str, Any]]:
    return [dict(row) for batch in store.batches(TABLE, key) for row in batch.to_pylist()]


def rows_of(folder: Path, content: bytes, file: str = "a.jsonl") -> list[dict[str, Any]]:
    kept = folder / "kept"
    kept.write_bytes(content)
    export = Export(sha256_of(content), file, DAY, len(content), kept)
    tables = list(bronze_rows(export, kept, source="chat"))
    assert all(table.schema.equals(BRONZE.arrow) for table in tables)
    return pa.concat_tables([BRONZE.table([]), *tables]).to_pylist()


def row(content: bytes, **own: Any) -> dict[str, Any]:
    given = {"source": "chat", "landing_date": DAY, "export_sha256": sha256_of(content), "file": "a.jsonl"}
    return {**given, "raw": None, "raw_bytes": None, "defect": None, **own}


def test_a_row_is_a_record_with_its_provenance(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"a": "\xe2\x80\xa8"}\r\n\n\t{"b":\xff}\n7'
    assert rows_of(tmp_path, content) == [
        row(content, record_number=1, line=1, byte_offset=3, raw='{"a": "\u2028"}'),
        row(content, record_number=2, line=3, byte_offset=19, raw_bytes=b'{"b":\xff}'),
        row(content, record_number=3, line=4, byte_offset=27, raw="7"),
    ]


RECORDS = st.lists(
    st.binary(max_size=6)
    | st.sampled_from([b"", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\0", b"\xc3"]),
    max_size=12,
)


@given(lines=RECORDS, zipped=st.booleans())
@settings(max_examples=120)
def test_every_byte_of_every_record_is_in_its_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], zipped: bool
) -> None:
    content = b"[\n" + b"\n".join(lines)  # no gzip, no byte order mark
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingest, "BATCH_ROWS", 3)
        rows = rows_of(tmp_path_factory.mktemp("rows"), gzip.compress(content) if zipped else content)
    raw = [row["raw_bytes"] if row["raw"] is None else row["raw"].encode() for row in rows]
    records = [record for line in content.split(b"\n") if (record := line.strip(b" \t\r"))]
    assert (raw, [row["record_number"] for row in rows]) == (records, [*range(1, len(records) + 1)])
    assert all(
        content[row["byte_offset"] :].startswith(record) for row, record in zip(rows, raw, strict=True)
    )
    assert [row["raw"] is None for row in rows] == [row["raw_bytes"] is not None for row in rows]


@given(
    raw=st.binary(min_size=1, max_size=6).filter(
        lambda raw: raw == raw.strip(b" \t\r\n") and b"\n" not in raw
    )
)
@settings(max_examples=200)
def test_text_is_what_python_takes_for_utf8(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    *_, last = rows_of(tmp_path_factory.mktemp("text"), b"x\n" + raw)
    expected: tuple[str | None, bytes | None]
    try:
        expected = (raw.decode(), None)
    except UnicodeDecodeError:
        expected = (None, raw)
    assert (last["raw"], last["raw_bytes"]) == expected


@pytest.mark.parametrize("content", [b"", b"\n \n", gzip.compress(b"")], ids=["empty", "blank", "gzip"])
def test_an_export_without_records_is_held_without_rows(
    landing: Landing, tmp_path: Path, content: bytes
) -> None:
    landing.drop("a_20240901.jsonl", content)
    store = take(landing.folder, tmp_path / "data")
    manifest = store.manifest(TABLE, KEY)
    assert manifest is not None
    assert [(part.export, part.rows) for part in manifest.parts] == [(sha256_of(content), 0)]


BROKEN = {
    "a_20240901.jsonl.gz": gzip.compress(b'{"a": 1}\n' * 20_000)[:-5],
    "a_20240901.json": b"[" + b'{"a": 1},\n' * 20_000,
    "b_20240901.jsonl.gz": b"",
}


@pytest.mark.parametrize(("file", "content"), BROKEN.items(), ids=BROKEN)
def test_a_quarantined_export_is_one_row_with_its_defect(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: bytes
) -> None:
    monkeypatch.setattr(compression, "CHUNK_BYTES", 10_000)  # many rows are made before the defect shows
    landing.drop(file, content)
    landing.drop("good_20240901.jsonl", b"7")
    store = take(landing.folder, tmp_path / "data")
    [quarantined] = [row for row in rows_in(store) if row["file"] == file]
    defect = quarantined.pop("defect")
    assert defect.split(":")[0] == ("broken_json_array" if file.endswith(".json") else "truncated_gzip")
    expected = row(content, file=file, record_number=0, line=0, byte_offset=0)
    assert quarantined == {name: value for name, value in expected.items() if name != "defect"}
    assert [other["raw"] for other in rows_in(store) if other["file"] != file] == ["7"]
    assert temporaries(tmp_path) == []


def test_raw_bytes_are_copied_once(landing: Landing, tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    path = landing.drop("a_20240901.jsonl", content)
    [export] = landing.scan().exports
    kept = keep_raw(export, tmp_path / "raw")
    before = kept.stat().st_ino
    path.unlink()
    assert (keep_raw(export, tmp_path / "raw"), kept.read_bytes()) == (kept, content)
    assert [(entry.name, entry.stat().st_ino) for entry in kept.parent.iterdir()] == [(export.sha256, before)]


def test_a_copy_that_has_rotted_is_made_anew(landing: Landing, tmp_path: Path) -> None:
    landing.drop("a_20240901.jsonl", b"1\n2")
    [export] = landing.scan().exports
    kept = keep_raw(export, tmp_path / "raw")
    kept.write_bytes(b"1\n3")
    assert keep_raw(export, tmp_path / "raw").read_bytes() == b"1\n2"


@pytest.mark.parametrize("changed", [b"2", b"1 and more", b""], ids=repr)
def test_a_file_that_changed_after_the_scan_is_not_kept(
    landing: Landing, tmp_path: Path, changed: bytes
) -> None:
    path = landing.drop("a_20240901.jsonl", b"1")
    [export] = landing.scan().exports
    path.write_bytes(changed)
    with pytest.raises(ExportChanged, match=r"a_20240901.jsonl changed while it was read"):
        keep_raw(export, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_file_that_vanished_after_the_scan_is_not_kept(landing: Landing, tmp_path: Path) -> None:
    path = landing.drop("a_20240901.jsonl", b"1")
    [export] = landing.scan().exports
    path.unlink()
    with pytest.raises(FileNotFoundError):
        keep_raw(export, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_an_export_that_changed_is_taken_by_the_next_run(landing: Landing, tmp_path: Path) -> None:
    stage, store = BronzeStage("chat", landing.folder), PartitionStore(tmp_path / "data")
    path = landing.drop("a_20240901.jsonl", b"1")
    append = stage.build(store, KEY)
    path.write_bytes(b"2")
    with pytest.raises(ExportChanged):
        store.append(stage.table, KEY, append)
    assert store.manifest(stage.table, KEY) is None
    landing.drop("a_20240901.jsonl", b"2")
    assert [row["raw"] for row in rows_in(take(landing.folder, store.root))] == ["2"]


def test_what_a_killed_run_had_copied_is_taken_though_its_file_has_gone(
    landing: Landing, tmp_path: Path
) -> None:
    stage, store = BronzeStage("chat", landing.folder), PartitionStore(tmp_path / "data")
    path = landing.drop("a_20240901.jsonl", b"1\n2")
    [export] = stage.inventory(store).exports
    keep_raw(export, store.table_folder(stage.table) / "_raw")  # and then it dies
    path.unlink()
    assert stage.missing(store, stage.inventory(store)) == {DAY: [export.sha256]}
    store.append(stage.table, KEY, stage.build(store, KEY))
    assert [row["raw"] for row in rows_in(store)] == ["1", "2"]
    assert stage.missing(store, stage.inventory(store)) == {}


def test_bronze_holds_each_export_once_however_often_it_lands(landing: Landing, tmp_path: Path) -> None:
    landing.drop("dt=2024-09-01/a.jsonl", b"1\n2")
    take(landing.folder, tmp_path / "data")
    before = contents(tmp_path / "data" / "bronze" / "chat" / f"dt={KEY}")
    landing.drop("dt=2024-09-02/again.jsonl", b"1\n2")
    store = take(landing.folder, tmp_path / "data")
    assert contents(tmp_path / "data" / "bronze" / "chat" / f"dt={KEY}") == before
    assert [(row["file"], row["raw"]) for row in rows_in(store)] == [
        ("dt=2024-09-01/a.jsonl", "1"),
        ("dt=2024-09-01/a.jsonl", "2"),
    ]
    assert store.keys(TABLE) == [KEY]


def test_what_bronze_lacks_is_named_until_it_is_held(landing: Landing, tmp_path: Path) -> None:
    stage, store = BronzeStage("chat", landing.folder), PartitionStore(tmp_path / "data")
    landing.drop("a_20240901.jsonl", b"1")
    landing.drop("b_20240902.jsonl", b"2")
    lacking = {DAY: [sha256_of(b"1")], date(2024, 9, 2): [sha256_of(b"2")]}
    assert stage.missing(store, stage.inventory(store)) == lacking
    take(landing.folder, store.root)
    assert stage.missing(store, stage.inventory(store)) == {}


def test_a_crash_at_any_step_of_a_run_loses_and_doubles_nothing(landing: Landing, tmp_path: Path) -> None:
    landing.drop("a_20240901.jsonl", b"1\n2")
    landing.drop("c_20240901.jsonl", b"1\n2")
    expected = contents(take(landing.folder, tmp_path / "calm").root)
    nth, code = 0, DIED
    while code == DIED:
        nth += 1
        data = tmp_path / str(nth)
        code = exit_code_of(start(die_before, partial(take, landing.folder), data, nth))
        store = take(landing.folder, data)
        store.sweep(TABLE, grace_seconds=0)
        assert contents(data) == expected
    assert (code, nth > 30) == (0, True)
