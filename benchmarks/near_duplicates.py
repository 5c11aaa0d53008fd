"""Near-duplicates against datatrove and datasketch: what is found, and what it costs.

usage: python -m benchmarks near_duplicates
Belongs here: judging against exact similarity, and costs side by side. Does not: the peers' runs (peers/).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import exact_jaccard, real_texts
from benchmarks.measure import Cost, median_of, run
from benchmarks.own_minhash import deposit_of
from benchmarks.process_tree import peak_of_children
from medallion_assets.curate.history import History
from medallion_assets.curate.minhash import SLOTS, agreement
from medallion_assets.roots import project_folder

PEERS = os.environ.get("MEDALLION_BENCH_PEERS")
SCRIPTS = Path(__file__).parent / "peers"
SAMPLE_ROWS = 5_000
THRESHOLD = 0.8
LEAST_SIMILARITY = 0.1
RUNS = {"52k": 3, "500k": 1}
JUDGED = ("our rule", "clusters", r"rule, \w+", r"clusters, \w+")
OURS = (sys.executable, "-m", "benchmarks.own_minhash")
# What comes before the files, and after them.
Command = tuple[tuple[str, ...], tuple[str, ...]]


def contenders() -> dict[str, Command]:
    found: dict[str, Command] = {"ours": (OURS, ())}
    if PEERS is None:
        print("datatrove and datasketch: skipped; set MEDALLION_BENCH_PEERS to a python that has both\n")
        return found
    datatrove = (PEERS, str(SCRIPTS / "datatrove_minhash.py"))
    found["datatrove 9x13"] = (datatrove, ("9", "13"))
    found["datatrove 14x8"] = (datatrove, ("14", "8"))
    found["datasketch"] = ((PEERS, str(SCRIPTS / "datasketch_minhash.py")), ())
    return found


@dataclass(frozen=True)
class Truth:
    """Similar pairs among `rows` texts, and what follows from them."""

    rows: int
    pairs: Sequence[tuple[int, int]]

    def repeats(self) -> set[int]:
        """Rows that an earlier one is similar to."""
        return {later for _, later in self.pairs}

    def paired(self) -> set[int]:
        return {row for pair in self.pairs for row in pair}

    def clusters(self) -> list[set[int]]:
        cluster = {row: {row} for row in range(self.rows)}
        for some, other in self.pairs:
            if cluster[some] is not cluster[other]:
                small, large = sorted((cluster[some], cluster[other]), key=len)
                large |= small
                cluster.update(dict.fromkeys(small, large))
        return list({id(each): each for each in cluster.values()}.values())


@dataclass(frozen=True)
class Score:
    """Shares; of nothing, all."""

    recall: float
    precision: float

    def __str__(self) -> str:
        return f"{self.recall:7.4f} {self.precision:7.4f}"


def share(found: int, of: int) -> float:
    return found / of if of else 1.0


def by_survivors(truth: Truth, dropped: Collection[int]) -> Score:
    """A row is to go if an earlier one is similar to it."""
    right = truth.repeats().intersection(dropped)
    return Score(share(len(right), len(truth.repeats())), share(len(right), len(dropped)))


def by_clusters(truth: Truth, dropped: Collection[int]) -> Score:
    """All but one row of each cluster are to go, any of them; none that is similar to no other."""
    sizes = [(len(cluster) - 1, len(cluster.intersection(dropped))) for cluster in truth.clusters()]
    found = sum(min(excess, gone) for excess, gone in sizes)
    right = truth.paired().intersection(dropped)
    return Score(share(found, sum(excess for excess, _ in sizes)), share(len(right), len(dropped)))


def truths_of(texts: Sequence[str]) -> dict[str, Truth]:
    """By our words, and by the peers'."""
    found = {}
    for name, tokenize in (("our words", exact_jaccard.words), (r"\w+", exact_jaccard.plain_words)):
        sets = [exact_jaccard.shingles(text, tokenize) for text in texts]
        pairs = [(one, other) for one, other, _ in exact_jaccard.similar_pairs(sets, THRESHOLD)]
        found[name] = Truth(len(texts), pairs)
    return found


def quality(scratch: Path) -> None:
    """Recall and precision on samples of real texts, against all pairs."""
    print(f"{'recall precision, by':32}" + "  ".join(f"{judged:15}" for judged in JUDGED))
    for name, texts in real_texts.SETS.items():
        chosen = real_texts.sample(texts, SAMPLE_ROWS)
        if not chosen:
            print(f"{name}: skipped, no such data on this machine")
            continue
        given = scratch / f"{name}.jsonl"
        real_texts.write_texts(chosen, given)
        truths = truths_of(chosen)
        ours = truths["our words"]
        found = f"{len(ours.pairs)} similar pairs, {len(ours.repeats())} repeat an earlier one"
        print(f"{name}: {len(chosen)} texts, {found}")
        for contender, command in contenders().items():
            _, kept = removed(command, given, scratch / "work")
            dropped = set(range(len(chosen))) - kept
            scores = [
                judge(truth, dropped) for truth in truths.values() for judge in (by_survivors, by_clusters)
            ]
            print(f"  {contender:20} {len(dropped):5} gone  " + "  ".join(map(str, scores)))


def removed(command: Command, given: Path, work: Path) -> tuple[Cost, set[int]]:
    """What a run costs, and the texts that it keeps."""
    before, after = command
    kept = given.with_suffix(".kept.json")
    whole = (*before, str(given), str(kept), str(work), *after)
    with peak_of_children() as peak:
        cost = run(whole, environment={}, folder=project_folder(), log=given.with_suffix(".log"))
    shutil.rmtree(work, ignore_errors=True)
    return replace(cost, peak_mib=max(cost.peak_mib, peak.mib)), {
        int(id_) for id_ in json.loads(kept.read_text())
    }


def bias(scratch: Path) -> None:
    """How far signatures are from the similarity that they estimate: a slot agrees by chance once in 256."""
    texts = real_texts.sample(real_texts.big, SAMPLE_ROWS)
    given = scratch / "bias.jsonl"
    real_texts.write_texts(texts, given)
    signatures = History([deposit_of(given, scratch / "bias")[1]], scratch / "buckets").signatures(
        np.arange(len(texts))
    )
    sets = [exact_jaccard.shingles(text, exact_jaccard.words) for text in texts]
    pairs = np.array(list(exact_jaccard.similar_pairs(sets, LEAST_SIMILARITY)))
    earlier, later, exact = pairs[:, 0].astype(int), pairs[:, 1].astype(int), pairs[:, 2]
    error = agreement(signatures[earlier], signatures[later]) - exact
    print(f"{'similarity':12}{'pairs':>9}{'mean error':>12}{'expected':>10}{'deviation':>11}{'expected':>10}")
    for low in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9):
        here = (exact >= low) & (exact < low + (0.2 if low < 0.7 else 0.1))
        alike, found = exact[here], error[here]
        spread = np.sqrt((alike * (1 - alike)).mean() / SLOTS)
        print(
            f"from {low:3.1f}    {here.sum():9}{found.mean():12.4f}{(1 - alike).mean() / 256:10.4f}"
            f"{found.std():11.4f}{spread:10.4f}"
        )


def speed(scratch: Path) -> None:
    """The same texts through each, in turns."""
    for size, runs in RUNS.items():
        path = real_texts.rows_file(size)
        if path is None:
            print(f"{size}: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_{size}.jsonl")
            continue
        given = scratch / f"{size}.jsonl"
        rows = real_texts.write_texts(real_texts.texts_of_rows(path), given)
        print(f"{rows:,} texts ({given.stat().st_size / 1e6:.0f} MB), median of {runs}")
        timed = {name: command for name, command in contenders().items() if name != "datatrove 14x8"}
        found: dict[str, list[tuple[Cost, set[int]]]] = {name: [] for name in timed}
        for _ in range(runs):
            for name, command in timed.items():
                found[name].append(removed(command, given, scratch / "work"))
        costs = {name: median_of([cost for cost, _ in each]) for name, each in found.items()}
        for name, cost in costs.items():
            gone = rows - len(found[name][0][1])
            times = cost.cpu / costs["ours"].cpu, cost.peak_mib / costs["ours"].peak_mib
            print(
                f"  {name:16}{cost}  {gone:7} gone  {times[0]:5.1f} x our CPU, {times[1]:5.2f} x our memory"
            )


def main(scratch: Path) -> None:
    quality(scratch)
    bias(scratch)
    speed(scratch)
