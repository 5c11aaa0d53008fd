"""Laws of what a trace prints: it steers no terminal, and names and texts are data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.inert import inert
from medallion_assets.trace.show import as_json
from medallion_assets_tests.pipeline.sample import Site, alpaca
from medallion_assets_tests.trace.stores import DAYS, answers, materialized, medallion

HOSTILE_NAME = "a'; DROP TABLE x; --\x1b[31m\n%\u202e[1]*.jsonl"
HOSTILE_LINES = [
    '{"instruction": "\x1b[2J',
    "\x9b31m\x7f\u2028\u202e{",
    json.dumps(alpaca("\x1b]0;x\x07", "b'\"$paths")),
]


@given(st.text(st.characters(exclude_categories=[])))
def test_inert_text_is_printable_and_plain_text_is_unchanged(text: str) -> None:
    assert inert(text).isprintable()
    assert inert(inert(text)) == inert(text)


@given(st.text())
def test_json_is_printable_ascii_that_reads_back(text: str) -> None:
    shown = as_json([{"raw": text}])
    assert shown.isascii()
    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.loads(shown) == [{"raw": text}]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("hostile[1]*"))
    site.land(f"alpaca/2024-09-01/{HOSTILE_NAME}", HOSTILE_LINES)
    return materialized(site, DAYS[0], DAYS[0])


@pytest.mark.parametrize("line", range(1, len(HOSTILE_LINES) + 1))
def test_hostile_names_and_texts_come_out_escaped(site: Site, line: int) -> None:
    path = str(site.roots.landing / "alpaca/2024-09-01" / HOSTILE_NAME)
    for name in (path, f"2024-09-01/{HOSTILE_NAME}"):
        result = medallion(site.roots.data, "file", name, "--line", str(line))
        assert result.exit_code == 0, result.output
        assert all(each.isprintable() for each in result.output.split("\n"))
        assert result.output.startswith(r"2024-09-01/a'; DROP TABLE x; --\x1b[31m\n%\u202e[1]*.jsonl: record")
    [fate] = answers(site.roots.data, "file", path, "--line", str(line))
    assert fate["origin"]["raw"] == HOSTILE_LINES[line - 1]


@pytest.mark.parametrize(
    "word", ["' OR 1=1 --", "%", "*", "_", "'; DROP TABLE x; --\x1b[31m\n", "../../etc", "$paths"]
)
def test_metacharacters_match_nothing_and_change_nothing(site: Site, word: str) -> None:
    before = site.fingerprint()
    commands = (
        ("file", word),
        ("record", word),
        ("gold", word, "--partition", DAYS[0], "--bin", "0"),
        ("gold", "packed", "--partition", word, "--bin", "0"),
    )
    for words in commands:
        result = medallion(site.roots.data, *words)
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert all(line.isprintable() for line in result.output.split("\n"))
    assert site.fingerprint() == before


def test_a_trace_writes_nothing_below_the_data_root(site: Site) -> None:
    def everything() -> list[tuple[Path, int]]:
        return sorted((path, path.stat().st_mtime_ns) for path in site.roots.data.rglob("*"))

    before = everything()
    for words in (
        ("file", HOSTILE_NAME),
        ("record", "0" * 8),
        ("gold", "packed", "--partition", DAYS[0], "--bin", "0"),
    ):
        medallion(site.roots.data, *words)
    assert everything() == before


def test_a_trace_loads_neither_dagster_nor_a_tokenizer(site: Site) -> None:
    heavy = "{'dagster', 'pandas', 'pydantic', 'transformers'}"
    script = (
        "import sys; from click.testing import CliRunner; from medallion_assets.cli import main\n"
        "at_start = {'duckdb', 'pyarrow'} & {*sys.modules}\n"
        "CliRunner().invoke(main, ['trace', 'file', 'x'])\n"
        f"print(sorted(at_start | {heavy} & {{*sys.modules}}), 'duckdb' in sys.modules)"
    )
    environment = {**os.environ, "MEDALLION_DATA": str(site.roots.data)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "[] True\n"
