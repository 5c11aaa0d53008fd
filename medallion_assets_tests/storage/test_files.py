"""Laws of durable files: whole content or none, the first record wins, locks end with their holder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.storage import files
from medallion_assets_tests.storage.samples import exit_code_of, sha256_of, start


def add_one_under_lock(folder: Path, times: int) -> None:
    counter = folder / "counter"
    for _ in range(times):
        with files.exclusive_lock(folder / "locks" / "counter.lock"):
            counter.write_text(str(int(counter.read_text()) + 1))


def record_steps(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """The order in which these functions of `os` are called from here on."""
    steps: list[str] = []

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            steps.append(name)
            return function(*arguments, **options)

        return call

    for name in names:
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    return steps


@given(old=st.binary(max_size=50), new=st.binary(max_size=50))
@settings(max_examples=20)
def test_replacing_leaves_the_new_content_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes
) -> None:
    path = tmp_path_factory.mktemp("replace") / "file"
    path.write_bytes(old)
    files.replace_atomically(path, new)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == {"file": new}


def test_content_is_synced_before_it_replaces_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = record_steps(monkeypatch, "fsync", "replace", "link")
    files.replace_atomically(tmp_path / "pointer", b"new")
    files.write_once(tmp_path / "record", b"first")
    assert steps == ["fsync", "replace", "fsync", "fsync", "link", "fsync"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_replacement_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "pointer"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, failing)
    with pytest.raises(OSError, match="disk"):
        files.replace_atomically(path, b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"pointer": b"old"}


def failing(*arguments: object, **options: object) -> None:
    raise OSError(5, "the disk is broken")


def test_the_first_record_wins_for_ever(tmp_path: Path) -> None:
    record = tmp_path / "claims" / "record"
    assert [files.write_once(record, content) for content in (b"first", b"second")] == [b"first", b"first"]
    assert [entry.name for entry in record.parent.iterdir()] == ["record"]


def test_a_writer_that_loses_the_race_takes_the_winners_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, link = tmp_path / "record", os.link

    def overtaken(source: Path, target: Path) -> None:
        record.write_bytes(b"theirs")  # commits between our look and our link
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert files.write_once(record, b"ours") == b"theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record"]


def test_a_new_folder_is_synced_into_its_parent_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = record_steps(monkeypatch, "mkdir", "fsync")
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert steps == ["mkdir", "fsync", "mkdir", "fsync"]


def test_a_lock_lets_one_process_in_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    children = [start(add_one_under_lock, tmp_path, 50) for _ in range(4)]
    assert [exit_code_of(child) for child in children] == [0, 0, 0, 0]
    assert (tmp_path / "counter").read_text() == "200"


@given(pieces=st.lists(st.binary(max_size=2000), max_size=10))
@settings(max_examples=20)
def test_a_hashing_file_knows_the_digest_and_size_of_what_it_holds(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("hashing") / "file"
    with files.HashingFile(path) as file:
        for piece in pieces:
            file.write(piece)
    content = b"".join(pieces)
    assert path.read_bytes() == content
    assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert sha256_of(path) == file.sha256


def test_a_hashing_file_never_opens_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"held")
    with pytest.raises(FileExistsError):
        files.HashingFile(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"held"


def test_a_hashing_file_that_can_not_be_synced_says_so_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = files.HashingFile(tmp_path / "file")
    file.write(b"content")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="disk"):
        file.close()
    file.close()
    assert file.closed
