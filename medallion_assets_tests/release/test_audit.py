"""Laws of audits: whatever has changed since the cut is found, named and put down to its cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from medallion_assets.curate.clean import clean_text
from medallion_assets.package.packing import pack
from medallion_assets.release.audit import Audit
from medallion_assets.release.compare import Location
from medallion_assets.release.manifest import Release
from medallion_assets.roots import project_folder
from medallion_assets_tests.pipeline.sample import TOKENIZER, alpaca
from medallion_assets_tests.release.releases import (
    DAYS,
    EVERYTHING,
    ReleaseSite,
    all_units,
    flip,
    medallion,
    three_days,
    with_releases,
)

Pins = dict[str, Any]


CONFIG = with_releases(EVERYTHING | {"layouts": ["megatron", "axolotl"]})


def repin(release: Release, change: Callable[[Pins], None]) -> None:
    """Another manifest, as if the release had been cut elsewhere or long ago."""
    path = release.folder / "manifest.json"
    pins = json.loads(path.read_bytes())
    change(pins)
    path.write_text(json.dumps(pins))


def found(audit: Audit) -> list[tuple[str, str]]:
    return [(each.cause, each.where) for each in audit.differences]


def drifted(audit: Audit) -> list[tuple[str, str, str, str]]:
    return [(each.cause, each.what, each.then, each.now) for each in audit.drifts]


@pytest.mark.parametrize("make", [three_days, all_units])
def test_an_untouched_release_passes_with_nothing_to_say(
    make: Callable[[Path], ReleaseSite], tmp_path: Path
) -> None:
    site = make(tmp_path)
    release = site.cut()
    audit = site.audit()
    assert (audit.passed, audit.differences, audit.drifts) == (True, (), ())
    assert (audit.release_id, audit.files) == (release.id, len(release.manifest.files))
    assert [*(site.store.root / ".scratch").iterdir()] == []


def test_what_landed_since_is_none_of_its_business(site: ReleaseSite) -> None:
    site.site.land("alpaca/2024-09-01/late.jsonl", [alpaca("ask 49", "answer 49"), alpaca("new", "words")])
    site.site.land("chats/2024-09-05/later.jsonl", [{"messages": []}])
    site.build((*DAYS, "2024-09-05"))
    audit = site.audit()
    assert audit.passed
    assert drifted(audit) == [("data", "bronze/alpaca 2024-09-01", "absent", "2024-09-01/late.jsonl")]


def test_an_evaluation_set_that_landed_since_changes_nothing(tmp_path: Path) -> None:
    site = all_units(tmp_path)
    site.cut()
    line = {"examples": [{"input": "what is asked about ask 3", "target": "answer 3"}]}
    site.site.land("evals/quiz/2024-09-03/new.jsonl", [line])
    site.build()
    audit = site.audit()
    assert audit.passed
    assert drifted(audit) == [("data", "bronze/eval_quiz 2024-09-03", "absent", "2024-09-03/new.jsonl")]


@pytest.mark.parametrize("layout", ["rows", "megatron", "axolotl"])
def test_a_flipped_byte_of_a_released_file_is_found_with_its_place(site: ReleaseSite, layout: str) -> None:
    release = site.release()
    file = list(release.manifest.data("plain", layout=layout))[1]
    flip(release.path(file), at=0.3)
    audit = site.audit()
    assert found(audit) == [("data", f"gold/plain {DAYS[1]}")]
    [difference] = audit.differences
    assert difference.what == f"{file.path} has other bytes than were written"
    assert difference.location is not None
    if layout == "rows":
        [path] = (site.store.root / "gold/plain").rglob(Path(file.path).name)
        rows = pq.ParquetFile(path).read().to_pylist()
        assert difference.location.column in rows[0]
        assert difference.location.record_id in rows[difference.location.row or 0]["record_ids"]


def test_a_rewritten_file_is_located_to_its_record(site: ReleaseSite) -> None:
    """Somebody who wrote another label, with checksums that are right."""
    release = site.release()
    [file, *_] = release.manifest.data("packed")
    rows = pq.ParquetFile(release.path(file)).read()
    changed = rows.to_pylist()
    place = sum(changed[2]["seq_lengths"][:2]) + 5
    changed[2]["labels"][place] = 7
    release.path(file).unlink()
    pq.write_table(rows.from_pylist(changed, schema=rows.schema), release.path(file))
    [difference] = site.audit().differences
    location = difference.location
    assert location is not None
    assert (location.row, location.column) == (2, "labels")
    assert location.record_id == changed[2]["record_ids"][2]
    assert location.what == f"they differ from position {place} on"


@pytest.mark.parametrize("name", ["README.md", "report.html"])
def test_a_word_of_the_card_or_the_report_counts_too(site: ReleaseSite, name: str) -> None:
    flip(site.release().folder / name)
    assert found(site.audit()) == [("data", name)]


def test_how_a_report_looks_may_change(site: ReleaseSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.release.cut.page_of", lambda *_: "<html>fashionable</html>")
    audit = site.audit()
    assert (audit.passed, audit.drifts) == (True, ())


def test_a_missing_file_is_named(site: ReleaseSite) -> None:
    release = site.release()
    [file, *_] = release.manifest.data("plain")
    release.path(file).unlink()
    [difference] = site.audit().differences
    assert (difference.cause, difference.what) == ("data", f"{file.path} is missing")


def test_a_flipped_byte_of_bronze_is_found_with_its_export(site: ReleaseSite) -> None:
    [export] = (each for each in site.release().manifest.exports if each.file == "a_20240902.jsonl")
    flip(site.store.root / "bronze/alpaca/dt=2024-09-02" / export.part)
    audit = site.audit()
    assert found(audit) == [("data", "bronze/alpaca 2024-09-02")]
    [difference] = audit.differences
    assert f"of the export {export.sha256} ('a_20240902.jsonl') has other bytes" in difference.what
    assert audit.skipped == "bronze is not what the release was made of"
    assert not audit.passed


def test_a_missing_export_is_named(site: ReleaseSite) -> None:
    [path] = (site.store.root / "bronze/chats/dt=2024-09-02").glob("part-*.parquet")
    path.unlink()
    [difference] = site.audit().differences
    assert (difference.cause, difference.where) == ("data", "bronze/chats 2024-09-02")
    assert difference.what.endswith("('dt=2024-09-02/c.jsonl') is missing")


def test_a_changed_threshold_is_named_and_the_pinned_one_is_used(site: ReleaseSite) -> None:
    stricter = with_releases(
        *[EVERYTHING | {"layouts": ["megatron", "axolotl"]}], quality={"min_prompt_characters": 6}
    )
    audit = site.audit(today=stricter)
    assert audit.passed
    assert drifted(audit) == [("configuration", "quality.min_prompt_characters", "null", "6")]


def test_keys_of_named_items_are_found_by_their_names(site: ReleaseSite) -> None:
    recipe = {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 256}
    other = with_releases(EVERYTHING | {"recipes": ["packed"]}, recipes=[recipe])
    audit = site.audit(today=other)
    assert audit.passed
    assert [what for _, what, _, _ in drifted(audit)] == ["recipes[packed].max_length", "recipes[plain]"]


def test_another_tokenizer_revision_is_named_and_the_kept_one_is_used(
    site: ReleaseSite, tmp_path: Path
) -> None:
    folder = tmp_path / "revised"
    folder.mkdir()
    for path in (project_folder() / TOKENIZER["path"]).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{# revised #}")
    configuration = site.config.model_dump(mode="json")
    configuration["recipes"][0]["tokenizer"]["path"] = str(folder)
    audit = site.audit(today=type(site.config).model_validate(configuration))
    assert audit.passed
    assert [(cause, what) for cause, what, _, _ in drifted(audit)] == [
        ("configuration", "recipes[packed].tokenizer.path"),
        ("tokenizer", f"the tokenizer of packed ({TOKENIZER['path']})"),
    ]


def test_a_kept_tokenizer_that_was_altered_is_named(site: ReleaseSite) -> None:
    release = site.release()
    kept = f"{release.manifest.tokenizers[0].folder}/chat_template.jinja"
    flip(release.folder / kept)
    audit = site.audit()
    assert found(audit) == [("tokenizer", kept)]
    assert audit.skipped == "the tokenizer that the release keeps is not what it was made with"


def test_a_changed_library_is_named(site: ReleaseSite) -> None:
    def elsewhere(pins: Pins) -> None:
        pins["environment"]["packages"]["pyarrow"] = "1.2.3"
        pins["environment"]["python"] = "3.10.0"

    now = site.release().manifest.environment
    repin(site.release(), elsewhere)
    audit = site.audit()
    assert audit.passed
    assert drifted(audit) == [
        ("library", "python", "3.10.0", now.python),
        ("library", "pyarrow", "1.2.3", now.packages["pyarrow"]),
    ]


def other_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pack.PACKINGS, "best_fit", pack.one_per_bin)


def test_other_bytes_for_no_reason_are_called_unexplained(
    site: ReleaseSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_packing(monkeypatch)
    audit = site.audit()
    assert ("unexplained", f"gold/packed {DAYS[0]}") in found(audit)
    assert not any(where.startswith(("silver/", "gold/plain")) for _, where in found(audit))


def test_other_bytes_are_put_down_to_a_library_that_changed(
    site: ReleaseSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_packing(monkeypatch)
    repin(site.release(), lambda pins: pins["environment"]["packages"].update(numpy="1.2.3"))
    assert {cause for cause, _ in found(site.audit())} == {"library"}


def test_other_bytes_are_put_down_to_code_that_changed(
    site: ReleaseSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before_the_change(pins: Pins) -> None:
        pins["environment"]["code"]["gold/packed"] = "0123456789abcdef"
        pins["environment"]["modules"]["medallion_assets.package.packing.pack"] = "fedcba9876543210"

    other_packing(monkeypatch)
    repin(site.release(), before_the_change)
    audit = site.audit()
    first = audit.differences[0]
    assert (first.cause, first.where) == ("code", f"gold/packed {DAYS[0]}")
    assert [what for cause, what, _, _ in drifted(audit) if cause == "code"] == [
        "the code of gold/packed",
        "module medallion_assets.package.packing.pack",
    ]
    rows = [each for each in audit.differences if each.what.startswith("packed/train")]
    assert [(each.location.row, each.location.column) for each in rows if each.location] == [
        (0, "input_ids"),
        (0, "input_ids"),
    ]


def test_a_difference_in_silver_is_located_where_it_first_shows(
    site: ReleaseSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shouting(text: str) -> str:
        return clean_text(text).replace("answer 7", "ANSWER 7")

    monkeypatch.setattr("medallion_assets.conform.conform.clean_text", shouting)
    silver = site.site.stages.sources[0].conformed.table
    [path] = site.store.paths(silver, DAYS[0])
    rows = pq.ParquetFile(path).read(["record_id", "messages"]).to_pylist()
    [changed] = [row for row, each in enumerate(rows) if each["messages"][1]["content"] == "answer 7"]
    first = site.audit().differences[0]
    assert (first.cause, first.where) == ("unexplained", f"silver/alpaca_conformed {DAYS[0]}")
    assert first.location == Location(changed, "record_id", rows[changed]["record_id"], "the values differ")


def test_code_that_can_not_read_the_pinned_configuration_is_told(site: ReleaseSite) -> None:
    repin(site.release(), lambda pins: pins["configuration"].update(retired_key=1))
    audit = site.audit()
    assert not audit.passed
    assert audit.skipped is not None
    assert audit.skipped.startswith("today's code does not read the pinned configuration: 1 validation error")


def test_the_command_says_so_and_fails_where_anything_differs(site: ReleaseSite) -> None:
    release = site.release()
    passed = medallion(site, "audit", "v1")
    files, exports = len(release.manifest.files), len(release.manifest.exports)
    assert (passed.exit_code, passed.output) == (
        0,
        f"release v1  {release.id}\n"
        f"passed: {files} files are as released, and {exports} exports lead to them\n",
    )
    flip(release.folder / "README.md")
    failed = medallion(site, "audit", "v1", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.output)["differences"][0]["where"] == "README.md"


def test_the_command_names_what_there_is(site: ReleaseSite) -> None:
    result = medallion(site, "audit", "v9")
    assert result.exit_code == 1
    assert result.output == (f"Error: there is no release v9 in {site.store.root}/releases; there are: v1\n")
