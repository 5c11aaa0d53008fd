"""Landing to gold with all of curation on, through Dagster, against bare kernels and pipelines of peers.

usage: python -m benchmarks whole_path
Belongs here: the same conversations through each, in turns; ours with all its checks, but without the profile
of a day, which is no step on the way to gold. Does not: the others' scripts, which lie in
MEDALLION_BENCH_SCRIPTS (default ../shared/bench). MEDALLION_BENCH_TRL names a python with trl, numba and
fastokens, MEDALLION_BENCH_PEERS one with datatrove, MEDALLION_BENCH_TEXTDEDUP one with text-dedup; who has
none is left out. MEDALLION_BENCH_TOKENIZER is the tokenizer's folder, MEDALLION_BENCH_SIZES the row files.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import real_texts
from benchmarks.measure import Cost, median_of, run
from benchmarks.process_tree import peak_of_children
from medallion_assets.roots import project_folder

SCRIPTS = Path(os.environ.get("MEDALLION_BENCH_SCRIPTS") or project_folder().parent / "shared" / "bench")
TOKENIZER = Path(
    os.environ.get("MEDALLION_BENCH_TOKENIZER")
    or project_folder() / "medallion_assets" / "tokenizers" / "chatml"
)
TRL, DATATROVE, TEXT_DEDUP = (
    os.environ.get(f"MEDALLION_BENCH_{name}") for name in ("TRL", "PEERS", "TEXTDEDUP")
)
DAY = "2024-09-01"
WANTED = '+key:"gold/sft"'
RUNS = {"52k": 3, "500k": 1}
CONFIG = f"""
start_date: "{DAY}"
sources: [{{name: rows, unit: sft_pairs, format: messages}}]
eval_sets: [{{name: evals, fields: [text]}}]
decontamination: {{rule: any_match, ngram: 13}}
recipes: [{{name: sft, unit: sft_pairs, tokenizer: {{path: {TOKENIZER}}}, max_length: 4096}}]
"""
# As make setup does: an instance is made once.
MAKE_HOME = [sys.executable, "-c", "import dagster; dagster.DagsterInstance.get().dispose()"]
DEFINITIONS = """
from pathlib import Path
from medallion_assets import build_pipeline
defs = build_pipeline(Path(__file__).with_name("pipeline.yaml"))
"""


@dataclass(frozen=True)
class Given:
    """What all start from: conversations, the same as plain texts, and evaluation items; JSON lines."""

    rows: Path
    texts: Path
    evals: Path


def ours(given: Given, work: Path) -> Cost:
    """One run of one partition from the command line: gold, what it is made of, and the checks of it all."""
    land(given.rows, work / "data" / "landing" / "rows")
    land(given.evals, work / "data" / "landing" / "evals" / "evals")
    (work / "home").mkdir()
    shutil.copyfile(project_folder() / "dagster.yaml", work / "home" / "dagster.yaml")
    (work / "pipeline.yaml").write_text(CONFIG)
    (work / "defs.py").write_text(DEFINITIONS)
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "asset", "materialize", "-f", "defs.py", "--select", WANTED, "--partition", DAY]
    places = {"MEDALLION_DATA": str(work / "data"), "DAGSTER_HOME": str(work / "home")}
    environment = {**places, "PYTHONPATH": str(project_folder())}
    run(MAKE_HOME, environment=environment, folder=work, log=work / "log")
    return cost_of(command, work, environment=environment)


def land(export: Path, folder: Path) -> None:
    (folder / DAY).mkdir(parents=True)
    landed = folder / DAY / export.name
    shutil.copyfile(export, landed)
    os.utime(landed, (1_700_000_000, 1_700_000_000))


def bare_kernels(given: Given, work: Path) -> Cost:
    script = [str(TRL), str(SCRIPTS / "g_limit.py")]
    return cost_of([*script, str(given.rows), str(given.evals), str(TOKENIZER), str(work / "out")], work)


def datatrove(given: Given, work: Path) -> Cost:
    """With words cut at spaces, its cheapest way; it renders, masks and packs nothing."""
    script = [str(DATATROVE), str(SCRIPTS / "g_datatrove.py"), "split"]
    return cost_of([*script, str(given.texts), str(given.evals), str(TOKENIZER), str(work / "out")], work)


def datasets_and_trl(given: Given, work: Path) -> Cost:
    """datasets, text-dedup, and TRL's own preparation with its bfd packing."""
    script = ["sh", str(SCRIPTS / "g_hf.sh"), str(TRL), str(TEXT_DEDUP)]
    return cost_of([*script, str(given.rows), str(given.evals), str(TOKENIZER), str(work / "out")], work)


def cost_of(command: list[str], work: Path, *, environment: dict[str, str] | None = None) -> Cost:
    """With the memory of all processes of the command together."""
    with peak_of_children() as peak:
        cost = run(command, environment=environment or {}, folder=work, log=work / "log")
    return replace(cost, peak_mib=max(cost.peak_mib, peak.mib))


def contenders() -> dict[str, Callable[[Given, Path], Cost]]:
    found: dict[str, Callable[[Given, Path], Cost]] = {"ours": ours}
    if TRL:
        found["bare kernels"] = bare_kernels
    if DATATROVE:
        found["datatrove"] = datatrove
    if TRL and TEXT_DEDUP:
        found["datasets + TRL"] = datasets_and_trl
    return found


def main(scratch: Path) -> None:
    sizes = os.environ.get("MEDALLION_BENCH_SIZES", ",".join(RUNS)).split(",")
    for size in sizes:
        rows, evals = real_texts.rows_file(size), real_texts.evals_file()
        if rows is None or evals is None:
            print(
                f"{size}: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_{size}.jsonl and evals.jsonl"
            )
            continue
        texts = scratch / f"{size}.jsonl"
        real_texts.write_texts(real_texts.texts_of_rows(rows), texts)
        side_by_side(scratch, Given(rows, texts, evals), size)


def side_by_side(scratch: Path, given: Given, size: str) -> None:
    costs: dict[str, list[Cost]] = {name: [] for name in contenders()}
    if TRL:
        one_run(bare_kernels, given, scratch / "work")  # compiles, once for this machine
    for _ in range(RUNS[size]):
        for name, contender in contenders().items():
            costs[name].append(one_run(contender, given, scratch / "work"))
    print(f"{size} conversations, landing to gold, median of {RUNS[size]}")
    medians = {name: median_of(each) for name, each in costs.items()}
    for name, cost in medians.items():
        times = cost.cpu / medians["ours"].cpu, cost.peak_mib / medians["ours"].peak_mib
        print(f"  {name:16}{cost}  {times[0]:5.2f} x our CPU, {times[1]:5.2f} x our memory")


def one_run(contender: Callable[[Given, Path], Cost], given: Given, work: Path) -> Cost:
    work.mkdir()
    try:
        return contender(given, work)
    finally:
        shutil.rmtree(work)
