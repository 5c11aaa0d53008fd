"""Laws of the configuration: every mistake is told with line, key and what is allowed, all at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from medallion_assets.config.file import ConfigError, check, load_config
from medallion_assets.config.pipeline import PipelineConfig, RecipeConfig, SourceConfig, TokenizerConfig
from medallion_assets.conform.format import format_names

GOOD = """\
start_date: "2024-09-01"
sources:
  - name: first
    unit: sft_pairs
    format: alpaca
    owner: team:data
recipes:
  - name: recipe
    unit: sft_pairs
    tokenizer: {path: somewhere}
"""
COMPONENT = "type: medallion_assets.MedallionPipeline\n\nattributes:\n" + "".join(
    f"  {line}\n" for line in GOOD.splitlines()
)
FORMATS = f"allowed: {', '.join(format_names())}"
PACKAGED = "allowed: preference_triples, rl_curriculum, rl_prompts, rl_rollouts, sft_pairs"
SLUG = "expected a slug: lower-case letters, digits and '_', beginning with a letter, at most 60"
OWNER = "expected 'team:<name>' or an e-mail address"
SOURCE_KEYS = f"allowed: {', '.join(sorted(SourceConfig.model_fields))}"
RECIPE_KEYS = f"allowed: {', '.join(sorted(RecipeConfig.model_fields))}"
TOP_KEYS = f"allowed: {', '.join(sorted(PipelineConfig.model_fields))}"
CONFIG = PipelineConfig(
    start_date=date(2024, 9, 1),
    sources=[SourceConfig(name="first", unit="sft_pairs", format="alpaca", owner="team:data")],
    recipes=[RecipeConfig(name="recipe", unit="sft_pairs", tokenizer=TokenizerConfig(path="somewhere"))],
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "defs.yaml"


def problems(file: Path, text: str) -> list[str]:
    """The lines of the error, without its head and with the file called F."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    head, *lines = str(caught.value).split("\n  ")
    count = len(caught.value.problems)
    assert head == f"the pipeline's configuration has {count} problem{'s' if count > 1 else ''}:"
    return [line.replace(f"{file}", "F") for line in lines]


@pytest.mark.parametrize("text", [GOOD, COMPONENT, "\ufeff" + GOOD, GOOD.replace('"', "")])
def test_a_component_document_and_its_bare_attributes_are_one_configuration(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    assert load_config(file) == CONFIG


def test_of_several_documents_the_pipeline_is_found_by_its_type(file: Path) -> None:
    file.write_text(f"type: other.Component\nattributes: {{}}\n---\n{COMPONENT}")
    assert load_config(file) == CONFIG


def test_lines_are_counted_from_the_top_of_a_file_of_several_documents(file: Path) -> None:
    text = f"type: other.Component\n---\n{COMPONENT}".replace("alpaca", "csv")
    assert problems(file, text) == [f"F:10: sources[0].format: 'csv' is no format; {FORMATS}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "alpaca",
            "alpacca",
            f"F:5: sources[0].format: 'alpacca' is no format; {FORMATS}; did you mean 'alpaca'?",
        ),
        ("alpaca", "csv", f"F:5: sources[0].format: 'csv' is no format; {FORMATS}"),
        ("name: first", "name: First", f"F:3: sources[0].name: got 'First', {SLUG}"),
        ("name: first", "name: 1st", f"F:3: sources[0].name: got '1st', {SLUG}"),
        ("name: first", "name: a/../b", f"F:3: sources[0].name: got 'a/../b', {SLUG}"),
        ("name: first", f"name: {'a' * 61}", f"F:3: sources[0].name: got '{'a' * 61}', {SLUG}"),
        ("name: first", "name: 5", "F:3: sources[0].name: got 5: input should be a valid string"),
        ("name: recipe", "name: r-1", f"F:8: recipes[0].name: got 'r-1', {SLUG}"),
        ("team:data", "data", f"F:6: sources[0].owner: got 'data', {OWNER}"),
        ("team:data", "'team:'", f"F:6: sources[0].owner: got 'team:', {OWNER}"),
        ("team:data", "a@b", f"F:6: sources[0].owner: got 'a@b', {OWNER}"),
        (
            "2024-09-01",
            "soon",
            "F:1: start_date: got 'soon': input should be a valid date or datetime, input is too short",
        ),
        (
            "{path: somewhere}",
            "somewhere",
            "F:10: recipes[0].tokenizer: got 'somewhere', expected a mapping with the keys path, revision",
        ),
        (
            "{path: somewhere}",
            "{path: ''}",
            "F:10: recipes[0].tokenizer.path: got '': string should have at least 1 character",
        ),
        ("recipes:", "recipe:", f"F:7: recipe: unknown key; {TOP_KEYS}; did you mean 'recipes'?"),
        (
            "    owner:",
            "    ownr:",
            f"F:6: sources[0].ownr: unknown key; {SOURCE_KEYS}; did you mean 'owner'?",
        ),
        ("    format: alpaca\n", "", "F:3: sources[0].format: this key is missing"),
        (
            "    owner:",
            "    compare: [user, answer]\n    owner:",
            "F:6: sources[0].compare[1]: 'answer' is no part of sft_pairs; allowed: assistant, calls, "
            "reasoning, system, tool, tools, user; did you mean 'user'?",
        ),
        (
            "    owner:",
            "    quality: {min_answer_characters: 9, max_answer_characters: 3}\n    owner:",
            "F:6: sources[0].quality: min_answer_characters is 9 and max_answer_characters is 3, "
            "so nothing would pass",
        ),
        (
            "recipes:",
            "near_duplicates: {threshold: 0.5}\nrecipes:",
            "F:7: near_duplicates.threshold: got 0.5: input should be greater than or equal to 0.7",
        ),
        ("start_date:", "# start_date:", "F: start_date: this key is missing"),
        (
            "recipes:",
            "eval_sets: [gsm8k]\nrecipes:",
            "F:7: eval_sets[0]: got 'gsm8k', expected a mapping with the keys columns, fields, name, owner",
        ),
    ],
)
def test_each_mistake_is_told_with_its_place(old: str, new: str, expected: str, file: Path) -> None:
    assert GOOD.count(old) >= 1
    assert problems(file, GOOD.replace(old, new, 1)) == [expected]


def test_both_halves_of_a_misspelled_required_key_are_told(file: Path) -> None:
    assert problems(file, GOOD.replace("{path: somewhere}", "{pth: x}")) == [
        "F:10: recipes[0].tokenizer.path: this key is missing",
        "F:10: recipes[0].tokenizer.pth: unknown key; allowed: path, revision; did you mean 'path'?",
    ]


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


def test_names_are_unique_within_their_section_only(file: Path) -> None:
    twice = GOOD.replace("recipes:", "  - {name: first, unit: sft_pairs, format: messages}\nrecipes:")
    assert problems(file, twice) == ["F:7: sources[1].name: 'first' names 2 sources; names must be unique"]
    file.write_text(GOOD.replace("name: recipe", "name: first"))
    assert load_config(file).recipes[0].name == "first"


def test_mistakes_of_every_kind_are_told_together(file: Path) -> None:
    text = """\
start_date: never
sources:
  - {name: A, unit: sft_pairs, format: alpaca}
  - {name: b, unit: sft_pairs, format: csv}
  - {name: b, unit: sft_pairs, format: alpaca, extra: 1}
recipes:
  - {name: r, unit: other, tokenizer: {path: x}}
  - {name: r, unit: sft_pairs, tokenizer: {path: x}}
more: 1
"""
    assert sorted(line.split(": ")[1] for line in problems(file, text)) == [
        "more",
        "recipes[0].unit",
        "recipes[1].name",
        "sources[0].name",
        "sources[1].format",
        "sources[2].extra",
        "start_date",
    ]


def test_a_key_given_twice_is_no_silent_override(file: Path) -> None:
    again = "sources: []\nstart_date: 2025-01-01\n"
    assert problems(file, GOOD + again) == [
        "F:12: start_date: this key is there more than once",
        "F:11: sources: this key is there more than once",
    ]


def test_merged_keys_may_be_overridden(file: Path) -> None:
    text = GOOD.replace("- name: first", "- &first\n    name: first")
    file.write_text(text.replace("recipes:", "  - {<<: *first, name: second}\nrecipes:"))
    assert [source.name for source in load_config(file).sources] == ["first", "second"]


@pytest.mark.parametrize("day", ["2024-13-45", "2023-02-29", '"2024-13-45"'])
def test_a_day_that_does_not_exist_is_told_with_its_line(day: str, file: Path) -> None:
    [line] = problems(file, GOOD.replace('"2024-09-01"', day))
    expected = f"F:1: start_date: got {day.strip(chr(34))!r}: input should be a valid date or datetime, "
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "F: holds no mapping; see README.md for an example"),
        ("# nothing\n---\n", "F: holds no mapping; see README.md for an example"),
        ("- a\n", "F: holds no mapping; see README.md for an example"),
        ("just text", "F: holds no mapping; see README.md for an example"),
        ("a: [1\n", "F: is not YAML: while parsing a flow sequence"),
        ("a: \x01\n", "F: is not YAML: unacceptable character #x0001: special characters are not allowed"),
        ("? [a]\n: b\n", "F: is not YAML: while constructing a mapping"),
        ("? {a: b}\n: b\n", "F: is not YAML: while constructing a mapping"),
        ("a: !!python/name:os.system\n", "F: is not YAML: could not determine a constructor for the tag"),
        ("start_date: " + "9" * 5000, "F: is not YAML: Exceeds the limit"),
        ("a: &a [*a]\n", "F: is nested too deeply, or holds itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "F: is nested too deeply, or holds itself"),
        ("type: medallion_assets.MedallionPipeline\nattributes:\n", "F:2: got None, expected a mapping"),
        ("type: medallion_assets.MedallionPipeline\nattributes: [1]\n", "F:2: got [1], expected a mapping"),
        (
            "type: medallion_assets.MedallionPipeline\nattribs: 1\nattributes: {}\n",
            "F:2: attribs: unknown key;",
        ),
        (
            "attributes: {}\n1: x\n",
            "F: [1]: unknown key; allowed: attributes, post_processing, requirements,",
        ),
    ],
)
def test_a_file_that_holds_no_pipeline_says_why(text: str, expected: str, file: Path) -> None:
    assert problems(file, text)[0].startswith(expected)


def test_a_file_that_is_not_there_or_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    found = []
    for name in ("absent.yaml", ".", "latin.yaml"):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name)
        found.append(caught.value.problems[0].message)
    assert found[:2] == ["there is no such file", "can't be read: Is a directory"]
    assert found[2].startswith("is not YAML: 'utf-8' codec can't decode byte 0xe9")


@pytest.mark.parametrize(
    "owner",
    [
        "team:data",
        "team:é",
        "a@b.co",
        "a.b+c@d-e.info",
        "_a@b.co",
        "team:",
        "a'b@c.co",
        "é@b.co",
        "a@b.c",
        "a@b_c.co",
        "a@b",
    ],
)
def test_owners_are_those_that_dagster_takes(owner: str) -> None:
    def taken(make: Any) -> bool:
        try:
            make()
        except (ValidationError, dg.DagsterInvalidDefinitionError):
            return False
        return True

    ours = taken(lambda: SourceConfig(name="a", unit="sft_pairs", format="alpaca", owner=owner))
    assert ours == taken(lambda: dg.asset(name="a", owners=[owner])(lambda: None))


def test_attributes_without_a_file_are_told_by_key_alone() -> None:
    with pytest.raises(ConfigError) as caught:
        check({"start_date": "2024-09-01", "sources": []})
    expected = "sources: got []: list should have at least 1 item after validation, not 0"
    assert str(caught.value) == f"the pipeline's configuration has 1 problem:\n  {expected}"


def test_a_configuration_survives_the_way_through_its_own_dump() -> None:
    assert check(CONFIG.model_dump(mode="json")) == CONFIG


def source(**keys: Any) -> dict[str, Any]:
    return {"name": "feed", "unit": "sft_pairs", "format": "alpaca", **keys}


def problems_of(**attributes: Any) -> list[str]:
    """Each problem as place: message."""
    with pytest.raises(ConfigError) as caught:
        check({"start_date": "2024-09-01", **attributes})
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"ties": "keep"},
            "sources[0].ties: format 'alpaca' does not look at 'ties'; it looks at: none",
        ),
        (
            {"format": "hh_rlhf"},
            "sources[0].format: format 'hh_rlhf' feeds preference_triples, "
            "but the source's unit is sft_pairs",
        ),
        (
            {"name": "eval_mine"},
            "sources[0].name: 'eval_mine' is a name of our own (eval_*, rollout_preferences, rollout_sft); "
            "choose another",
        ),
        (
            {"redact": {"mask": ["emails"]}},
            "sources[0].redact.mask[0]: got 'emails'; allowed: card, email, ip, national_id, phone; "
            "did you mean 'email'?",
        ),
    ],
)
def test_what_a_source_asks_of_a_format_that_does_not_do_it_is_told(
    keys: dict[str, Any], expected: str
) -> None:
    assert problems_of(sources=[source(**keys)]) == [expected]


def test_rollout_rules_need_rollouts() -> None:
    found = problems_of(sources=[source()], rollouts={"pass_rates": {}, "max_policy_lag": 3})
    assert found == [
        "rollouts.max_policy_lag: no source feeds rl_rollouts",
        "rollouts.pass_rates: no source feeds rl_rollouts",
        "rollouts.pass_rates: no source feeds rl_prompts, which pass rates are joined to",
    ]


def test_one_path_is_as_good_as_a_list_of_one() -> None:
    [one, other] = [
        SourceConfig(name="m", unit="rl_prompts", format="mapping", fields={"prompt": paths, "answer": "a"})
        for paths in ("p", ["p"])
    ]
    assert one == other
    assert one.options.fields == {"prompt": ("p",), "answer": ("a",)}


def test_votes_may_be_bare_yaml_numbers() -> None:
    votes = SourceConfig(**source(votes={1: "first", 2.5: "second", False: "tie"})).votes
    assert votes == {"1": "first", "2.5": "second", "false": "tie"}


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


def test_the_limits_of_checks_are_checked(file: Path) -> None:
    text = GOOD + "checks: {baseline_days: 0, max_drift: 1.5, min_record: 5}\n"
    assert problems(file, text) == [
        "F:11: checks.baseline_days: got 0: input should be greater than or equal to 1",
        "F:11: checks.max_drift: got 1.5: input should be less than or equal to 1",
        "F:11: checks.min_record: unknown key; allowed: baseline_days, max_deviations, max_drift, "
        "min_packing_efficiency, min_records; did you mean 'min_records'?",
    ]
