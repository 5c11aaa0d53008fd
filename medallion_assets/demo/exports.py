"""Sample exports of every source for three landing dates, with what real feeds bring: repeats, bad rows,
a file sent twice, an upload that broke off.

Belongs here: which day brings what, in which container. Does not: records and their faults (conversations.py,
judgements.py, tickets.py, rollouts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medallion_assets.demo.arithmetic import HELD_OUT_STORIES, Problem, problems
from medallion_assets.demo.containers import cut_short, gzipped, json_array, zstandard_compressed
from medallion_assets.demo.conversations import alpaca, messages, sharegpt
from medallion_assets.demo.judgements import Task, annotated, scored
from medallion_assets.demo.rollouts import SAMPLES, evaluation, prompts, step_log
from medallion_assets.demo.text import questions, talks
from medallion_assets.demo.tickets import tickets
from medallion_assets.storage import files

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
RECORDS_A_FILE = 1500
REPEATED = 100
TICKETS = 150
TASKS, REPEATED_TASKS = 150, 20
SCORED = 100
PROBLEMS, REPEATED_PROBLEMS = 60, 6
EVALUATED, LEAKED = 40, 3
RUN = "grpo-sums"
STEPS_A_DAY = 4
PROBLEMS_A_STEP = 12
STEP_WITH_LATE_WORKER, BROKEN_STEP = 11, 12
Named = Iterator[tuple[str, bytes]]


def sample_exports() -> dict[str, bytes]:
    """Every sample export by its path below the landing root. The same bytes each time."""
    exports: dict[str, bytes] = {}
    for number, day in enumerate(DAYS):
        exports |= dict(_conversations(number, day))
        exports |= dict(_judgements(number, day))
        exports |= dict(_prompts(number, day))
        exports |= dict(_rollouts(number, day))
    exports[f"alpaca/{DAYS[2]}/export_again.json"] = exports[f"alpaca/{DAYS[0]}/export.json"]
    return exports


def land(landing: Path) -> list[str]:
    """Writes the sample exports that are not there yet, each under its final name at once."""
    written = []
    for name, content in sample_exports().items():
        path = landing / name
        if not path.exists():
            files.make_folder(path.parent)
            files.replace_atomically(path, content)
            written.append(name)
    return written


def _conversations(number: int, day: str) -> Named:
    before = talks(seed=number, count=REPEATED) if number else []
    yield f"alpaca/{day}/export.json", alpaca(talks(seed=number + 1, count=RECORDS_A_FILE) + before)
    yield (
        f"sharegpt/dt={day}/part-0.jsonl.gz",
        gzipped(sharegpt(talks(seed=number + 11, count=RECORDS_A_FILE))),
    )
    if number == 1:
        broken = cut_short(gzipped(sharegpt(talks(seed=99, count=50))))
        yield f"sharegpt/dt={day}/part-1.jsonl.gz", broken
    compact = day.replace("-", "")
    yield f"messages/batch_{compact}.jsonl", messages(talks(seed=number + 21, count=RECORDS_A_FILE))
    yield f"support_tickets/{day}/tickets.jsonl", tickets(seed=number + 1, count=TICKETS)


def _judgements(number: int, day: str) -> Named:
    """Label Studio exports what it did before too, so the first tasks come again."""
    again = _tasks(0)[:REPEATED_TASKS] if number else []
    yield f"annotators/project-7-at-{day}.json", json_array(_tasks(number) + again)
    candidates = questions(seed=number + 41, count=SCORED, answers=4)
    yield f"ranked/dt={day}/scored.jsonl.gz", gzipped(scored(candidates, seed=number + 41))


def _tasks(number: int) -> list[Task]:
    """Those that were annotated on a day."""
    return annotated(questions(seed=number + 31, count=TASKS, answers=2), seed=number + 31)


def _prompts(number: int, day: str) -> Named:
    again = _problems(0)[:REPEATED_PROBLEMS] if number else []
    held_out = problems(seed=61, count=EVALUATED, stories=HELD_OUT_STORIES)
    leaked = held_out[LEAKED * number : LEAKED * (number + 1)]
    yield f"math_prompts/{day}/train-00000-of-00001.parquet", prompts(_problems(number) + again + leaked)
    if number == 0:
        yield f"evals/math_eval/math_eval_{day.replace('-', '')}.csv", evaluation(held_out)


def _rollouts(number: int, day: str) -> Named:
    """The first two days answer problems of the first, the third those of the second.

    On the second day, training goes on from a checkpoint before the last step, which is thus logged twice.
    """
    asked = _problems(number - 1 if number else 0)
    first = number * STEPS_A_DAY + 1
    for place in range(STEPS_A_DAY):
        step = first + place
        late = SAMPLES if step == STEP_WITH_LATE_WORKER else 0
        packed = zstandard_compressed(step_log(_of_step(asked, number + place), step, seed=51, late=late))
        yield _log_name(day, step), cut_short(packed) if step == BROKEN_STEP else packed
    if number == 1:
        again = step_log(_of_step(asked, STEPS_A_DAY - 1), first - 1, seed=52)
        yield _log_name(day, first - 1), zstandard_compressed(again)


def _log_name(day: str, step: int) -> str:
    return f"grpo_logs/{day}/{RUN}/{step}.jsonl.zst"


def _problems(number: int) -> list[Problem]:
    """Those that land on a day."""
    return problems(seed=number + 1, count=PROBLEMS)


def _of_step(asked: list[Problem], place: int) -> list[Problem]:
    """A day begins one place after the day before, and so answers most of its problems again."""
    start = PROBLEMS_A_STEP * place
    return [asked[at % len(asked)] for at in range(start, start + PROBLEMS_A_STEP)]
