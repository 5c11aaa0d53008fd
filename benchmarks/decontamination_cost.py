"""What decontamination costs, side by side with datatrove's n-gram filter.

usage: python -m benchmarks decontamination_cost
Does not belong here: how well the rules do (decontamination.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import real_texts
from benchmarks.measure import Cost, median_of, run
from benchmarks.near_duplicates import PEERS, SCRIPTS
from medallion_assets.roots import project_folder

RUNS = 3


def main(scratch: Path) -> None:
    """One 13-gram of GSM8K test or HumanEval is enough; datatrove with its cheapest words."""
    path, evals = real_texts.rows_file("52k"), real_texts.evals_file()
    if path is None or evals is None or PEERS is None:
        print(
            "decontamination: skipped; set MEDALLION_BENCH_PEERS, and MEDALLION_BENCH_ROWS with evals.jsonl"
        )
        return
    given = scratch / "52k.jsonl"
    real_texts.write_texts(real_texts.texts_of_rows(path), given)
    ours = (sys.executable, "-m", "benchmarks.own_ngrams", str(given), str(evals), "any_match")
    theirs = (
        PEERS,
        str(SCRIPTS / "datatrove_ngrams.py"),
        str(given),
        str(evals),
        str(scratch / "work"),
        "13",
    )
    found: dict[str, list[Cost]] = {"ours": [], "datatrove": []}
    for _ in range(RUNS):
        for name, command in zip(found, (ours, theirs), strict=True):
            log = scratch / "log"
            found[name].append(run(command, environment={}, folder=project_folder(), log=log))
    costs = {name: median_of(each) for name, each in found.items()}
    for name, cost in costs.items():
        print(f"  {name:16}{cost}  {cost.cpu / costs['ours'].cpu:5.1f} x our CPU")
