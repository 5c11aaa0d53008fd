"""Laws of the sample exports: the same bytes always, right sums, and nothing broken but what should be."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.verify import verify
from medallion_assets.demo.arithmetic import attempt, problems
from medallion_assets.demo.exports import land, sample_exports
from medallion_assets.demo.text import questions, seeded
from medallion_assets.extract.containers import UnreadableContainer, read_records

seeds = st.integers(min_value=0, max_value=10_000)
SUM = re.compile(r"(\d+) ([-+*]) (\d+) = <<(\d+[-+*]\d+)=(\d+)>>(\d+)")
OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
HASHED_ELSEWHERE = """
import hashlib, json
from medallion_assets.demo.exports import sample_exports
print(json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in sample_exports().items()}))
"""


def test_another_process_makes_the_same_bytes() -> None:
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    told = subprocess.run(
        [sys.executable, "-c", HASHED_ELSEWHERE], env=env, capture_output=True, check=True, text=True
    )
    here = {name: hashlib.sha256(content).hexdigest() for name, content in sample_exports().items()}
    assert json.loads(told.stdout) == here


def test_what_has_landed_is_not_written_again(tmp_path: Path) -> None:
    assert land(tmp_path) == list(sample_exports())
    assert land(tmp_path) == []


def test_only_the_uploads_that_broke_off_cannot_be_read(tmp_path: Path) -> None:
    broken = {}
    for name in land(tmp_path):
        try:
            assert list(read_records(tmp_path / name, name=name))
        except UnreadableContainer as error:
            broken[name] = error.args[0].partition(":")[0]
    assert broken == {
        "sharegpt/dt=2026-11-02/part-1.jsonl.gz": "truncated_gzip",
        "grpo_logs/2026-11-03/grpo-sums/12.jsonl.zst": "truncated_zstd",
    }


@given(seeds)
def test_every_solution_is_worked_right(seed: int) -> None:
    for problem in problems(seed, 10):
        *worked, answer = problem.solution.splitlines()
        sums = [SUM.search(line).groups() for line in worked]  # type: ignore[union-attr]
        results = [OPERATIONS[sign](int(left), int(right)) for left, sign, right, *_ in sums]
        assert [
            (f"{left}{sign}{right}", int(marked), int(told)) for left, sign, right, _, marked, told in sums
        ] == [(spelled, result, result) for (*_, spelled, _, _), result in zip(sums, results, strict=True)]
        assert answer == f"#### {results[-1]:,}"
        assert problem.answer == results[-1] > 0


@given(seeds, st.booleans())
def test_an_attempt_is_right_as_asked(seed: int, right: bool) -> None:
    chance = seeded(seed)
    for problem in problems(seed, 5):
        completion = attempt(problem, chance, right=right)
        assert verify("gsm8k", completion, str(problem.answer)) == float(right)


@given(seeds, st.integers(min_value=1, max_value=4))
def test_rival_answers_differ(seed: int, answers: int) -> None:
    for question in questions(seed, 5, answers=answers):
        assert len(set(question.answers)) == answers
