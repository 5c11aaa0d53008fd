"""A pipeline of all four units, an evaluation set and everything that rollouts lead to, with three days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.storage.store import Table
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca
from medallion_assets_tests.pipeline.works import Works

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
DAY_AFTER = "2024-09-04"
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAYS[0],
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "pairs", "unit": "preference_triples", "format": "preference"},
            {"name": "prompts", "unit": "rl_prompts", "format": "verl"},
            {"name": "rollouts", "unit": "rl_rollouts", "format": "verl_rollouts", "max_reject_rate": 0.5},
        ],
        "eval_sets": [{"name": "quiz", "fields": ["examples.input", "examples.target"]}],
        "rollouts": {
            "max_policy_lag": 2,
            "pass_rates": {"min_attempts": 2},
            "preferences": {"min_margin": 0.5},
            "rejection_sampling": {"min_reward": 1.0},
        },
        "recipes": [
            {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 128},
            {"name": "dpo", "unit": "preference_triples", "tokenizer": TOKENIZER},
            {"name": "grpo", "unit": "rl_prompts", "tokenizer": TOKENIZER},
            {"name": "rated", "unit": "rl_curriculum", "tokenizer": TOKENIZER},
            {"name": "replay", "unit": "rl_rollouts", "tokenizer": TOKENIZER},
        ],
    }
)
Row = dict[str, Any]


def pair(prompt: str, chosen: str, rejected: str) -> Row:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def rl_prompt(text: str, truth: str) -> Row:
    return {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": text}],
        "reward_model": {"style": "rule", "ground_truth": truth},
    }


def drawn(prompt: str, answer: str, truth: str, *, step: int, **other: Any) -> Row:
    """A line of verl's log of rollouts; gsm8k verifies it, whatever its score."""
    row = {"input": prompt, "output": answer, "gts": truth, "score": 0.25, "step": step}
    return row | {"data_source": "openai/gsm8k", **other}


def step_of(step: int, *, answers: Iterable[str] = ("1", "2", "3")) -> Iterator[Row]:
    """Each prompt is answered in turn; what it asks for is 1, so "one of" is solved once in a step."""
    for answer in answers:
        yield drawn("one of", f"#### {answer}", "1", step=step)
        yield drawn("always", "#### 1", "1", step=step)
        yield drawn("never", f"#### 2{answer}", "1", step=step)


def land_all_units(site: Site, days: Iterable[str] = DAYS) -> None:
    """Repeats, faults, steps that run again, policies left behind, a set delivered twice on one day."""
    for day in days:
        for name, rows in LANDINGS[day].items():
            site.land(name, rows)


LANDINGS: dict[str, dict[str, list[Any]]] = {
    DAYS[0]: {
        "alpaca/2024-09-01/a.jsonl": [alpaca(f"ask {n}", f"answer {n}") for n in range(9)],
        "pairs/2024-09-01/p.jsonl": [pair("ask", "good", "bad"), pair("ask", "same", "same"), "{cut"],
        "prompts/2024-09-01/q.jsonl": [rl_prompt(text, "1") for text in ("one of", "always", "never")],
        "rollouts/2024-09-01/run/1.jsonl": [*step_of(1)],
        "rollouts/2024-09-01/run/2.jsonl": [
            *step_of(2),
            drawn("one of", "#### 1", "one", step=2, score=None),
        ],
        "rollouts/2024-09-01/logged/7.jsonl": [
            drawn("tell", text, "", step=7, score=score, data_source="essay")
            for text, score in (("", 1.0), ("words", 0.5), ("more", 0.0))
        ],
        "evals/quiz/2024-09-01/q.jsonl": [{"examples": [{"input": "i", "target": "t"}, {"input": ""}]}],
    },
    DAYS[1]: {
        "alpaca/2024-09-02/b.jsonl": [alpaca("ask 3", "answer 3"), alpaca("always", "#### 1")],
        "pairs/2024-09-02/p.jsonl": [pair("one of", "#### 1", "#### 2"), pair("ask", "good", "bad")],
        "rollouts/2024-09-02/run/2.jsonl": [*step_of(2, answers="19")],
        "rollouts/2024-09-02/run/5.jsonl": [*step_of(5, answers="41")],
        "evals/quiz/2024-09-02/q.jsonl": [{"examples": [{"input": "new", "target": "t"}]}],
    },
    DAYS[2]: {
        "prompts/2024-09-03/q.jsonl": [rl_prompt("fresh", "1"), rl_prompt("never", "1")],
        "rollouts/2024-09-03/run/3.jsonl": [*step_of(3), *step_of(2)],
        "rollouts/2024-09-03/run/4.jsonl": [*step_of(4, answers="1111")],
        "evals/quiz/2024-09-03/r.jsonl": [{"examples": [{"input": "r", "target": "t"}]}, {"examples": []}],
    },
}


def build_day(site: Works, day: str) -> list[tuple[str, str]]:
    return site.build_day(day)


def rows(site: Site, table: Table, day: str, *, rejects: bool = False) -> list[Row]:
    return [row for batch in site.store.batches(table, day, rejects=rejects) for row in batch.to_pylist()]


def table(site: Site, name: str) -> Table:
    """By its full name."""
    return next(stage.table for stage in site.stages.all() if stage.table.full_name == name)


def swept(site: Site) -> dict[str, str]:
    """The fingerprint without superseded generations."""
    for stage in site.stages.all():
        site.store.sweep(stage.table, grace_seconds=0)
    return site.fingerprint()


def all_units_site(folder: Path) -> Site:
    site = Site(folder, CONFIG)
    land_all_units(site)
    return site
