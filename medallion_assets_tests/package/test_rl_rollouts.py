"""Laws of rollouts in gold: logged ids stay as they are, others are proven to be what was said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.recipe import Packaging
from medallion_assets.schemas import RL_ROLLOUTS
from medallion_assets.units import Message, Rollout
from medallion_assets_tests.package.chat import END, SPOKEN, shipped, variant
from medallion_assets_tests.package.golden import Row, packaged, prompts, reasons, silver_rows, user, written

ARRAYS = ("logprobs", "trainer_logprobs")


def said(completion: str = "four", prompt: list[Message] | None = None, **other: Any) -> Rollout:
    """A sample of a log that has text alone."""
    known: dict[str, Any] = {"run": "run", "step": 7, "sample": 0, "policy_version": 3}
    return Rollout(
        **{**known, "reward_origin": "logged", "completion": completion, **other},
        prompt=[user("2 + 2")] if prompt is None else prompt,
    )


def seen(ids: list[int], mask: list[int], **other: Any) -> Rollout:
    """A sample of a log that has token ids."""
    known: dict[str, Any] = {"run": "run", "step": 7, "sample": 0, "policy_version": 3}
    return Rollout(**{**known, "reward_origin": "logged", "token_ids": ids, "loss_mask": mask, **other})


def made(*records: Rollout, **rules: Any) -> tuple[list[Row], list[Row], Row]:
    return packaged(RL_ROLLOUTS, silver_rows(records), Packaging(**{"max_length": 4096, **rules}))


def wrote(row: Row) -> str:
    ids = [token for token, mask in zip(row["input_ids"], row["loss_mask"], strict=True) if mask]
    return str(shipped().core.decode(ids, skip_special_tokens=False))


@st.composite
def logged(draw: st.DrawFn) -> Rollout:
    mask = draw(st.lists(st.integers(0, 1), min_size=1, max_size=12))
    ids = draw(st.lists(st.integers(0, 255), min_size=len(mask), max_size=len(mask)))
    floats = st.none() | st.floats(-9, 0, width=32).map(float)
    arrays = {
        name: draw(st.none() | st.lists(floats, min_size=len(mask), max_size=len(mask))) for name in ARRAYS
    }
    return seen(ids, mask, sample=draw(st.integers(0, 99)), **arrays)


def cut(record: Rollout, max_length: int) -> Row:
    arrays = {"input_ids": record.token_ids, "loss_mask": record.loss_mask}
    arrays |= {name: getattr(record, name) for name in ARRAYS}
    return {name: None if values is None else values[:max_length] for name, values in arrays.items()}


@given(st.lists(logged(), max_size=8), st.sampled_from([6, 4096]), st.sampled_from(["reject", "truncate"]))
@settings(max_examples=60)
def test_logged_arrays_are_kept_to_the_number(records: list[Rollout], max_length: int, too_long: str) -> None:
    rows, rejects, summary = made(*records, max_length=max_length, too_long=too_long)
    by_id = {record.as_row()["record_id"]: record for record in records}
    assert Counter(row["record_id"] for row in [*rows, *rejects]) == Counter(by_id.keys())
    for row in rows:
        expected = cut(by_id[row["record_id"]], max_length)
        assert {name: row[name] for name in expected} == expected
        assert (row["ids_origin"], row["length"]) == ("logged", len(row["input_ids"]))
        assert row["prompt_length"] == row["loss_mask"].index(1)
        assert row["truncated"] == (len(by_id[row["record_id"]].token_ids or []) > max_length)
    assert summary["tokens"] == sum(row["length"] for row in rows)
    for reject in rejects:
        record = by_id[reject["record_id"]]
        is_short = len(record.loss_mask or []) <= max_length
        assert reject["reason"] == (
            "too_long" if any(record.loss_mask or []) and not is_short else "nothing_to_learn"
        )


@given(st.lists(st.builds(said, SPOKEN, prompts()), max_size=6))
@settings(max_examples=40)
def test_encoded_tokens_say_what_the_policy_wrote_and_that_it_ended(records: list[Rollout]) -> None:
    rows, rejects, _ = made(*records)
    assert rejects == []
    by_id = {record.as_row()["record_id"]: record for record in records}
    for row in rows:
        assert wrote(row) == f"{by_id[row['record_id']].completion}{END}"
        assert (row["ids_origin"], row["logprobs"], row["trainer_logprobs"]) == ("encoded", None, None)
        assert sorted(row["loss_mask"]) == row["loss_mask"]


def test_a_policy_that_was_stopped_did_not_write_the_end() -> None:
    rows, _, _ = made(said("one"), said("two", finish_reason="length", sample=1))
    assert sorted(wrote(row) for row in rows) == [f"one{END}", "two"]


def test_an_empty_answer_of_which_there_are_no_ids_can_not_be_told() -> None:
    rows, rejects, _ = made(said(""), seen([7, 8], [0, 1], completion="", sample=1))
    assert ([row["input_ids"] for row in rows], reasons(rejects)) == ([[7, 8]], {1: "turn_not_shown"})


def test_a_template_that_changes_what_was_said_is_found_out(tmp_path: Path) -> None:
    variant(tmp_path)
    text = shipped().chat_template.replace("message.content", "(message.content | trim)")
    assert text != shipped().chat_template
    (tmp_path / "chat_template.jinja").write_text(text)
    records = silver_rows([said("plain"), said(" spaced ", sample=1)])
    rows, rejects, _ = packaged(RL_ROLLOUTS, records, tokenizer=tmp_path)
    assert ([wrote(row) for row in rows], reasons(rejects)) == ([f"plain{END}"], {2: "completion_unclear"})


def test_what_a_log_leaves_out_is_a_reason() -> None:
    vocabulary = shipped().core.get_vocab_size()
    records = [
        seen([1, 2], [0, 1]),
        seen([1, 2], [0, 0], sample=1),
        seen([1, vocabulary], [0, 1], sample=2),
        Rollout(**vars_of(seen([1, 2], [0, 1], sample=3)), loss_mask=None),
        Rollout("run", 7, 4, 3, completion="four", reward_origin="logged"),
    ]
    rows, rejects, _ = made(*records)
    assert len(rows) == 1
    assert reasons(rejects) == {
        2: "nothing_to_learn",
        3: "unknown_token_id",
        4: "no_loss_mask",
        5: "no_prompt",
    }


def vars_of(record: Rollout) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Rollout.__slots__ if name != "loss_mask"}


def test_a_row_says_what_the_record_said() -> None:
    record = seen(
        [5, 6, 7],
        [0, 1, 1],
        logprobs=[0.0, -0.5, None],
        reward=1.0,
        logged_reward=0.0,
        advantage=-0.25,
        group="12",
        finish_reason="stop",
        data_source="gsm8k",
    )
    [row], _, _ = made(record)
    group = row.pop("rollout_group")
    assert len(group) == 32
    assert row == {
        "record_id": record.as_row()["record_id"],
        "source": "feed",
        "run": "run",
        "step": 7,
        "sample": 0,
        "policy_version": 3,
        "prompt_key": None,
        "input_ids": [5, 6, 7],
        "loss_mask": [0, 1, 1],
        "logprobs": [0.0, -0.5, None],
        "trainer_logprobs": None,
        "ids_origin": "logged",
        "prompt_length": 1,
        "length": 3,
        "truncated": False,
        "reward": 1.0,
        "reward_origin": "logged",
        "logged_reward": 0.0,
        "advantage": -0.25,
        "finish_reason": "stop",
        "data_source": "gsm8k",
    }


def test_a_group_is_the_samples_of_one_prompt_in_one_step_of_one_run() -> None:
    records = [
        said("a"),
        said("b", sample=1),
        said("c", step=8),
        said("d", run="other"),
        said("e", [user("3 + 3")], sample=2),
        seen([1], [1], sample=3, group="g"),
        seen([2], [1], sample=4, group="g"),
        seen([3], [1], sample=5),
    ]
    rows, _, _ = made(*records)
    by_id = {row["record_id"]: row["rollout_group"] for row in rows}
    groups = [by_id[record.as_row()["record_id"]] for record in records]
    assert groups[0] == groups[1]
    assert groups[5] == groups[6]
    assert groups[7] is None
    assert len(set(groups)) == 6


MANY = silver_rows(
    [
        said(f"{n}", sample=n) if n % 3 else seen([n % 200] * (n % 9 + 1), [1] * (n % 9 + 1), sample=n)
        for n in range(150)
    ]
)


@pytest.mark.parametrize("batch_rows", [1, 7])
def test_the_batches_in_which_silver_is_read_change_no_byte(batch_rows: int, tmp_path: Path) -> None:
    whole = written(RL_ROLLOUTS, MANY, tmp_path / "whole")
    assert written(RL_ROLLOUTS, MANY[::-1], tmp_path / "batched", batch_rows=batch_rows) == whole


def test_lists_that_numpy_gives_are_read_back_as_they_were() -> None:
    from medallion_assets.package.list_columns import arrays, lists
    from medallion_assets.schemas_gold import LOGPROBS

    rows = [np.array([1.5, np.nan], np.float32), None, np.array([], np.float32)]
    column = lists(rows, LOGPROBS)
    assert column.to_pylist() == [[1.5, None], None, []]
    assert lists(arrays(column.slice(1)), LOGPROBS).to_pylist() == [None, []]
