"""Laws of recipes and releases in the configuration: what is wrong with one is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from medallion_assets.config.file import check, load_config
from medallion_assets_tests.config.given import (
    CONFIG,
    GOOD,
    PACKAGED,
    RECIPE_KEYS,
    problems,
    problems_of,
    source,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("packing: bestfit", "packing: got 'bestfit'; allowed: best_fit, none; did you mean 'best_fit'?"),
        ("packing: 1", "packing: got 1; allowed: best_fit, none"),
        ("packing:", "packing: got None; allowed: best_fit, none; did you mean 'none'?"),
        ("max_length: 15", "max_length: got 15: input should be greater than or equal to 16"),
        ("max_length: 1048577", "max_length: got 1048577: input should be less than or equal to 1048576"),
        (
            "max_length: 20.5",
            "max_length: got 20.5: input should be a valid integer, got a number with a fractional part",
        ),
        ("max_len: 2048", f"max_len: unknown key; {RECIPE_KEYS}; did you mean 'max_length'?"),
        ("unit: sft_pairs", "unit: this key is there more than once"),
        ("too_long: cut", "too_long: got 'cut'; allowed: reject, split, truncate"),
        ("mix: {first: 0}", "mix.first: got 0: input should be greater than 0"),
        ("mix: {first: 101}", "mix.first: got 101: input should be less than or equal to 100"),
        ("mix: {frst: 1}", "mix.frst: 'frst' does not feed sft_pairs; allowed: first; did you mean 'first'?"),
        ("mix: {}", "mix: got {}: dictionary should have at least 1 item after validation, not 0"),
        (
            "landed: {first: 2024-09-03, last: 2024-09-02}",
            "landed: first is 2024-09-03 and last is 2024-09-02, so nothing would be taken",
        ),
        ("landed: {from: 2024-09-03}", "landed.from: unknown key; allowed: first, last"),
        ("holdout: 0", "holdout: got 0: input should be greater than 0"),
        ("holdout: 1", "holdout: got 1: input should be less than 1"),
        ("where: line", "where: it is of type BIGINT; a filter is BOOLEAN, as a comparison is"),
        (
            "where: random() < 0.1",
            "where: column 1: random() may not be used, "
            "since what it gives is no function of the record alone",
        ),
        ("where: line > 1 AND", 'where: column 13: syntax error at or near ")"'),
        ("where: true; DROP TABLE records", 'where: column 5: syntax error at or near ";"'),
    ],
)
def test_each_mistake_of_a_recipe_is_told(line: str, expected: str, file: Path) -> None:
    assert problems(file, f"{GOOD}    {line}\n") == [f"F:11: recipes[0].{expected}"]


def test_a_filter_over_several_lines_is_told_by_its_own(file: Path) -> None:
    text = f"{GOOD}    where: |\n      line > 1\n      AND lne < 9\n"
    [told] = problems(file, text)
    assert told.startswith("F:11: recipes[0].where: line 2, column 5: there is no column 'lne'; allowed: ")
    assert told.endswith("did you mean 'line'?")


def test_what_is_held_out_may_not_take_a_recipes_name(file: Path) -> None:
    text = f"{GOOD}    holdout: 0.1\n  - {{name: recipe_holdout, unit: sft_pairs, tokenizer: {{path: x}}}}\n"
    assert problems(file, text) == [
        "F:11: recipes[0].holdout: what is held out goes to gold/recipe_holdout, which is a recipe's name too"
    ]


def test_a_mix_may_name_what_is_made_of_rollouts(file: Path) -> None:
    rollouts = "  - {name: logs, unit: rl_rollouts, format: verl_rollouts}\nrecipes:"
    text = GOOD.replace("recipes:", rollouts) + "    mix: {first: 0.5, rollout_sft: 2}\n"
    assert "'rollout_sft' does not feed sft_pairs; allowed: first" in problems(file, text)[0]
    file.write_text(f"{text}rollouts: {{rejection_sampling: {{}}}}\n")
    assert load_config(file).recipes[0].mix == {"first": 0.5, "rollout_sft": 2}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("sft_pair", f"'sft_pair' is nothing to package; {PACKAGED}; did you mean 'sft_pairs'?"),
        ("rl_prompts", "no source feeds the unit 'rl_prompts'; units with a source: sft_pairs"),
        ("rl_curriculum", "rl_curriculum is made where rollouts.pass_rates is given: pass_rates: {}"),
    ],
)
def test_a_unit_that_is_not_there_is_told(unit: str, expected: str, file: Path) -> None:
    text = GOOD.replace("unit: sft_pairs\n    tok", f"unit: {unit}\n    tok")
    assert problems(file, text) == [f"F:9: recipes[0].unit: {expected}"]


@pytest.mark.parametrize(
    ("unit", "line", "expected"),
    [
        ("rl_prompts", "too_long: truncate", "too_long: rl_prompts can't be 'truncate'; allowed: reject"),
        ("rl_prompts", "packing: none", "packing: rl_prompts has a row a record; packing is for sft_pairs"),
        (
            "preference_triples",
            "too_long: split",
            "too_long: preference_triples can't be 'split'; allowed: reject, truncate",
        ),
        (
            "preference_triples",
            "mix: {first: 1}",
            "mix.first: 'first' does not feed preference_triples; allowed: second",
        ),
    ],
)
def test_what_a_unit_can_not_be_packaged_as_is_told(unit: str, line: str, expected: str, file: Path) -> None:
    formats = {"rl_prompts": "gsm8k", "preference_triples": "preference"}
    second = f"  - {{name: second, unit: {unit}, format: {formats[unit]}}}\nrecipes:"
    text = GOOD.replace("recipes:", second).replace("unit: sft_pairs\n    tok", f"unit: {unit}\n    tok")
    assert problems(file, f"{text}    {line}\n") == [f"F:12: recipes[0].{expected}"]


def test_a_curriculum_is_packaged_where_prompts_are_rated(file: Path) -> None:
    text = GOOD.replace("unit: sft_pairs\n    format: alpaca", "unit: rl_prompts\n    format: gsm8k")
    text = text.replace(
        "unit: sft_pairs\n    tok", "unit: rl_curriculum\n    where: pass_rate < 0.9\n    tok"
    )
    logs = "  - {name: logs, unit: rl_rollouts, format: verl_rollouts}\nrecipes:"
    file.write_text(text.replace("recipes:", logs) + "rollouts: {pass_rates: {}}\n")
    assert load_config(file).recipes[0].unit == "rl_curriculum"


def test_a_unit_that_no_source_feeds_is_told(file: Path) -> None:
    text = GOOD.replace("unit: sft_pairs\n    format", "unit: rl_prompts\n    format")
    assert problems(file, text)[1:] == [
        "F:9: recipes[0].unit: no source feeds the unit 'sft_pairs'; units with a source: rl_prompts"
    ]


def test_a_release_says_which_recipes_it_freezes_from_when_to_when() -> None:
    recipe = {"name": "packed", "unit": "sft_pairs", "tokenizer": {"path": "somewhere"}}
    release = {
        "name": "v1",
        "recipes": ["packed", "pakced", "packed"],
        "from": "2024-09-02",
        "to": "2024-09-01",
        "layouts": ["megatron"],
    }
    found = problems_of(
        sources=[source()], recipes=[recipe], releases=[release, {**release, "recipes": ["x"]}]
    )
    assert found == [
        "releases[1].name: 'v1' names 2 releases; names must be unique",
        "releases[0].recipes[1]: there is no recipe 'pakced'; allowed: packed",
        "releases[0].recipes[2]: the recipe 'packed' is there more than once",
        "releases[0].from: 2024-09-02 comes after `to`, 2024-09-01",
        "releases[1].recipes[0]: there is no recipe 'x'; allowed: packed",
        "releases[1].from: 2024-09-02 comes after `to`, 2024-09-01",
        "releases[1].layouts: layouts are of sft_pairs, and no recipe of the release packages that",
    ]


def test_the_keys_of_a_release_are_told_as_they_are_written() -> None:
    release = {"name": "v1", "recipes": ["r"], "from": "2024-09-01", "until": "2024-09-02"}
    assert problems_of(sources=[source()], releases=[release]) == [
        "releases[0].to: this key is missing",
        "releases[0].until: unknown key; allowed: from, layouts, name, recipes, to",
    ]


def test_a_release_survives_the_way_through_its_own_dump() -> None:
    release = {"name": "v1", "recipes": ["recipe"], "from": "2024-09-01", "to": "2024-09-02"}
    config = check({**CONFIG.model_dump(mode="json"), "releases": [release]})
    assert check(config.model_dump(mode="json")) == config
