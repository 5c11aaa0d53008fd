"""Public RL prompts, rollouts and voted pairs; the figures agree with those in the data's own README."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import load_format
from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT
from medallion_assets_tests.conform.rows import Rows, conformed_file
from medallion_assets_tests.real_data import real_data


def options(fields: dict[str, str] | None = None, **other: Any) -> Options:
    """A space parts the paths of one name."""
    return Options(fields={name: tuple(paths.split(", ")) for name, paths in (fields or {}).items()}, **other)


def sampled(completion: str, reward: str | None = None) -> Options:
    known = {"reward": reward} if reward else {}
    named = {"prompt": "question", "completion": completion, "answer": "ground_truth", **known}
    return options(named, verifier="gsm8k")


@dataclass(frozen=True)
class Expected:
    file: str
    unit: str
    rows: int
    distinct: int
    rejected: dict[str, int] = field(default_factory=dict)
    format: str = "mapping"
    options: Options = field(default_factory=Options)


PROBLEM = options({"prompt": "problem", "answer": "answer"}, verifier="math")
POEMS = options({"prompt": "prompt", "completion": "response", "reward": "reward", "step": "step"})
TORA = options({"prompt": "question", "completion": "code.0", "answer": "gt", "id": "idx"}, verifier="gsm8k")
# Its ground truth is spelt "# 18", which is no number, and it logs no reward.
ZEROEVAL = options({"prompt": "chat_history", "completion": "output.0", "answer": "answer", "id": "id"})
PANDALM = options(
    {
        "prompt": "instruction",
        "input": "input",
        "first": "response1",
        "second": "response2",
        "vote": "annotator1, annotator2, annotator3",
    },
    votes={"1": "first", "2": "second", "0": "tie"},
)
AUTOJ = options(
    {"prompt": "prompt", "first": "response 1", "second": "response 2", "vote": "label"},
    votes={"0": "first", "1": "second", "2": "tie"},
)
DATA_SETS = [
    Expected("rl_prompts/gsm8k_train.jsonl", PROMPT_UNIT, 7_473, 7_473, format="gsm8k"),
    Expected("rl_prompts/logic_rl_kk_5ppl_train.parquet", PROMPT_UNIT, 900, 900, format="verl"),
    Expected(
        "rl_prompts/deepscaler_math_train.json",
        PROMPT_UNIT,
        7_470,
        7_470,
        {"missing_ground_truth": 4},
        options=PROBLEM,
    ),
    Expected("rl_prompts/deepscaler_aime_train.json", PROMPT_UNIT, 975, 975, options=PROBLEM),
    Expected(
        "rl_prompts/gsm_hard.jsonl",
        PROMPT_UNIT,
        1_319,
        1_319,
        options=options({"prompt": "input", "answer": "target"}, verifier="gsm8k"),
    ),
    Expected("rollouts/rllogging_poem_eval.jsonl", ROLLOUT_UNIT, 3_000, 3_000, options=POEMS),
    Expected("rollouts/tora_70b_gsm8k.jsonl", ROLLOUT_UNIT, 1_319, 1_319, options=TORA),
    Expected(
        "rollouts/zeroeval_gsm_Meta-Llama-3-8B-Instruct.json", ROLLOUT_UNIT, 1_319, 1_319, options=ZEROEVAL
    ),
    Expected(
        "preference/pandalm_testset_v1.json",
        PREFERENCE_UNIT,
        842,
        762,
        {"tie": 105, "empty_output": 52},
        options=PANDALM,
    ),
    Expected(
        "preference/autoj_pairwise_test.jsonl",
        PREFERENCE_UNIT,
        1_016,
        1_016,
        {"tie": 373, "empty_output": 2, "identical_answers": 1},
        options=AUTOJ,
    ),
]


def load(file: str, unit: str, asked: Options, format_name: str = "mapping") -> tuple[Rows, Rows]:
    return conformed_file(format_name, real_data(file), unit=unit, options=asked)


@pytest.mark.parametrize("expected", DATA_SETS, ids=lambda expected: expected.file)
def test_every_record_is_accounted_for(expected: Expected) -> None:
    rows, rejects = load(expected.file, expected.unit, expected.options, expected.format)
    found = Expected(
        expected.file,
        expected.unit,
        rows=len(rows),
        distinct=len({row["record_id"] for row in rows}),
        rejected=dict(Counter(reject["reason"] for reject in rejects)),
        format=expected.format,
        options=expected.options,
    )
    numbers = sorted(row["record_number"] for row in rows + rejects)
    assert (found, numbers) == (expected, list(range(1, len(rows) + len(rejects) + 1)))


@pytest.mark.parametrize("expected", DATA_SETS, ids=lambda expected: expected.file)
def test_the_configuration_has_no_problem(expected: Expected) -> None:
    assert list(load_format(expected.format).problems(expected.unit, expected.options)) == []


def test_prompts_without_an_answer_are_told_by_their_record() -> None:
    _, rejects = load("rl_prompts/deepscaler_math_train.json", PROMPT_UNIT, PROBLEM)
    assert [reject["record_number"] for reject in rejects] == [887, 1_010, 5_329, 5_331]


def test_every_final_answer_is_a_whole_number() -> None:
    rows, _ = load("rl_prompts/gsm8k_train.jsonl", PROMPT_UNIT, Options(), "gsm8k")
    assert all(row["ground_truth"].removeprefix("-").isdecimal() for row in rows)
    assert {row["verifier"] for row in rows} == {"gsm8k"}


def test_a_truth_with_parts_is_json_and_its_verifier_is_named_after_its_data() -> None:
    rows, _ = load("rl_prompts/logic_rl_kk_5ppl_train.parquet", PROMPT_UNIT, Options(), "verl")
    told = {(row["data_source"], row["verifier"], row["ability"]) for row in rows}
    assert told == {("kk_logic", "kk_logic", "logic")}
    assert rows[0]["ground_truth"].startswith('{"solution_text_format":"(1) Aurora is a knight\\n')
    assert rows[0]["extra_info"] == '{"index":0,"split":"train"}'


def test_logged_rewards_and_steps_are_kept() -> None:
    rows, _ = load("rollouts/rllogging_poem_eval.jsonl", ROLLOUT_UNIT, POEMS)
    assert Counter(row["step"] for row in rows) == dict.fromkeys(range(0, 2_300, 100), 128) | {2_300: 56}
    assert {row["reward_origin"] for row in rows} == {"logged"}
    assert (len({row["rollout_key"] for row in rows}), len({row["prompt_key"] for row in rows})) == (
        3_000,
        128,
    )


@pytest.mark.parametrize(
    ("model", "solved"),
    [("6b_finetuning", 286), ("6b_verification", 515), ("175b_finetuning", 458), ("175b_verification", 742)],
)
def test_rewards_that_are_recomputed_are_those_that_were_logged(model: str, solved: int) -> None:
    asked = sampled(f"{model}.solution", f"{model}.is_correct")
    rows, rejects = load("rollouts/gsm8k_example_model_solutions.jsonl", ROLLOUT_UNIT, asked)
    rewards = Counter((row["logged_reward"], row["reward"]) for row in rows)
    assert (rewards, rejects) == ({(1.0, 1.0): solved, (0.0, 0.0): 1_319 - solved}, [])


def test_the_majority_of_three_annotators_decides() -> None:
    rows, _ = load("preference/pandalm_testset_v1.json", PREFERENCE_UNIT, PANDALM)
    assert {row["annotators"] for row in rows} == {3}
    assert {round(row["margin"], 2) for row in rows} == {0.33, 0.67, 1.0}
