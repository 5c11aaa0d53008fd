"""The command line of streams: what it says where something is missing, and the configuration's errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from medallion_assets.cli import main
from medallion_assets.config.file import ConfigError, check, load_config
from medallion_assets.streaming.places import held
from medallion_assets_tests.streaming.given import SOURCE, STREAM, configuration


def said(tmp_path: Path, name: str = "live", *words: str, **stream: Any) -> str:
    """By a command that can't begin."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(configuration(**stream)))
    result = CliRunner().invoke(main, ["stream", name, "--config", str(path), *words])
    assert result.exit_code == 1
    return result.output


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDALLION_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize(("broker", "library"), [("redis", "redis"), ("kafka", "confluent_kafka")])
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str, library: str
) -> None:
    monkeypatch.setenv("BROKER", "somewhere")
    monkeypatch.setitem(sys.modules, library, None)
    told = said(tmp_path, broker=broker, address_env="BROKER")
    assert f"{library.replace('_', '-')}, which is not installed: pip install '.[stream]'" in told


def test_an_address_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDALLION_REDIS", raising=False)
    assert "MEDALLION_REDIS is not set; stream 'live' finds there redis://" in said(tmp_path)


def test_an_address_of_another_kind_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDALLION_REDIS", "https://me:secret@host")
    told = said(tmp_path)
    assert "MEDALLION_REDIS holds no address of Redis" in told
    assert "secret" not in told


def test_a_stream_that_is_not_configured_is_answered_with_those_that_are(tmp_path: Path) -> None:
    assert "'lives' names no stream; allowed: live; did you mean 'live'?" in said(tmp_path, "lives")


def test_a_second_member_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.streaming.command.TRIES", 2)
    with held(tmp_path / "data/streams/live/members/main"):
        assert "a member 'main' consumes live already" in said(tmp_path)


def test_a_member_s_name_is_no_path(tmp_path: Path) -> None:
    assert "'../x' is no name of a member" in said(tmp_path, "live", "--member", "../x")


def test_errors_of_the_configuration_name_line_and_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        'start_date: "2024-09-01"\n'
        "sources: [{name: a, unit: rl_rollouts, format: verl_rollouts}]\n"
        "rollouts: {max_policy_lag: 1}\n"
        "streams:\n"
        "  - {name: live, source: a, broker: rabbit, topic: t}\n"
    )
    with pytest.raises(
        ConfigError, match=r"pipeline.yaml:5: streams\[0\].broker: got 'rabbit'; allowed: kafka"
    ):
        load_config(path)


@pytest.mark.parametrize(
    ("stream", "place", "words"),
    [
        ({"source": "rolouts"}, ("streams", 0, "source"), "no source of rl_rollouts; allowed: rollouts"),
        ({"properties_env": "A"}, ("streams", 0, "properties_env"), "librdkafka's"),
        ({"broker": "kafka", "field": "x"}, ("streams", 0, "field"), "leave it out for kafka"),
        ({"topic": "a b"}, ("streams", 0, "topic"), "letters, digits"),
        ({"batch": {"seconds": 0}}, ("streams", 0, "batch", "seconds"), "greater than 0"),
        ({"batch": {"row": 1}}, ("streams", 0, "batch", "row"), "allowed: bytes, rows, seconds"),
    ],
)
def test_what_a_stream_may_not_say_is_told_with_its_place(
    stream: dict[str, Any], place: tuple[str | int, ...], words: str
) -> None:
    [problem] = problems(configuration(**stream))
    assert problem.place == place
    assert words in problem.message


def test_what_others_say_of_a_stream_is_told(tmp_path: Path) -> None:
    twice = configuration() | {"streams": [STREAM, STREAM]}
    unbounded = configuration() | {"rollouts": {}}
    redacted = configuration() | {"sources": [SOURCE | {"redact": {"mask": ["email"]}}]}
    assert [[each.place for each in problems(config)] for config in (twice, unbounded, redacted)] == [
        [("streams", 1, "name")],
        [("streams",)],
        [("streams", 0, "source")],
    ]


def problems(config: dict[str, Any]) -> tuple[Any, ...]:
    with pytest.raises(ConfigError) as caught:
        check(config)
    return caught.value.problems
