"""Laws of the configuration: every mistake is told with line, key and what is allowed, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from medallion_assets.config.file import ConfigError, check, load_config
from medallion_assets.config.pipeline import SourceConfig
from medallion_assets_tests.config.given import (
    COMPONENT,
    CONFIG,
    FORMATS,
    GOOD,
    OWNER,
    SLUG,
    SOURCE_KEYS,
    TOP_KEYS,
    problems,
    problems_of,
    source,
)


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


def test_the_limits_of_checks_are_checked(file: Path) -> None:
    text = GOOD + "checks: {baseline_days: 0, max_drift: 1.5, min_record: 5}\n"
    assert problems(file, text) == [
        "F:11: checks.baseline_days: got 0: input should be greater than or equal to 1",
        "F:11: checks.max_drift: got 1.5: input should be less than or equal to 1",
        "F:11: checks.min_record: unknown key; allowed: baseline_days, max_deviations, max_drift, "
        "min_packing_efficiency, min_records; did you mean 'min_records'?",
    ]
