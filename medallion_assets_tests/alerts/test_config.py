"""The configuration of alerts: every mistake is told, and what may be a secret is never repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets import build_pipeline
from medallion_assets.config.file import ConfigError, load_config
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.release.pins import configuration_of
from medallion_assets_tests.pipeline.sample import CONFIG, Site

SECRET = "https://hooks.slack.com/services/T0/B0/s3cr3t"
BASE = 'start_date: "2024-09-01"\nsources:\n  - {name: first, unit: sft_pairs, format: alpaca}\n'
VARIABLE = (
    "expected the name of an environment variable (capitals, digits, '_'); the secret itself belongs there"
)
MAIL = "name: m, host: smtp.example.org, from: us@example.org, to: [you@example.org]"
SLACK = {"slack": [{"name": "team", "url_env": "TEAM_URL"}]}


def problems(folder: Path, alerts: str) -> list[str]:
    file = folder / "defs.yaml"
    file.write_text(f"{BASE}alerts:\n{alerts}")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert "s3cr3t" not in str(caught.value)
    return [line.replace(f"{file}", "F") for line in str(caught.value).split("\n  ")[1:]]


UNKNOWN = "unknown key; allowed: name, url_env; did you mean 'url_env'?"
NOBODY = "names nobody to tell: give slack, webhooks or mail, or leave alerts out"


@pytest.mark.parametrize(
    ("alerts", "key", "message"),
    [
        (f"slack: [{{name: t, url_env: '{SECRET}'}}]", "slack[0].url_env", VARIABLE),
        (f"webhooks: [{{name: t, url_env: A, token_env: '{SECRET}'}}]", "webhooks[0].token_env", VARIABLE),
        (f"slack: [{{name: t, url_env: A, url: '{SECRET}'}}]", "slack[0].url", UNKNOWN),
        ("ui: 'https://us:s3cr3t@host'", "ui", "expected an address that begins with https:// or http://"),
        ("slack: [{name: t, url_env: A}, {name: t, url_env: B}]", "slack[1].name", "'t' names 2 channels"),
        (f"mail: [{{{MAIL}, user: us}}]", "mail[0]", "to log in takes both, user and password_env"),
        (
            f"mail: [{{{MAIL}, user: us, password_env: P, security: none}}]",
            "mail[0].security",
            "a password is never sent unencrypted; use starttls or ssl",
        ),
        (
            'mail: [{name: m, host: h, from: "a@b.c\\nBcc: x@y.z", to: [you@example.org]}]',
            "mail[0].from",
            "expected an e-mail address",
        ),
    ],
)
def test_each_mistake_is_told_without_what_was_given(
    alerts: str, key: str, message: str, tmp_path: Path
) -> None:
    told = problems(tmp_path, f"  {alerts}\n")
    assert any(line.startswith(f"F:5: alerts.{key}: {message}") for line in told)


def test_alerts_that_tell_nobody_are_a_mistake(tmp_path: Path) -> None:
    assert problems(tmp_path, "  ui: http://127.0.0.1:3000\n") == [f"F:4: alerts: {NOBODY}"]


@pytest.mark.parametrize("alerts", [f"  slack: {SECRET}\n", f"  slack: ['{SECRET}']\n", f"  '{SECRET}'\n"])
def test_a_secret_in_the_wrong_place_is_not_repeated(alerts: str, tmp_path: Path) -> None:
    assert problems(tmp_path, alerts)


def test_the_sensor_is_there_and_running_only_where_alerts_are_configured(tmp_path: Path) -> None:
    def names(config: PipelineConfig) -> dict[str, dg.DefaultSensorStatus]:
        sensors = build_pipeline(config, roots=Site(tmp_path).roots).sensors or []
        return {sensor.name: sensor.default_status for sensor in sensors if sensor.name == "alerts"}

    assert names(CONFIG) == {}
    assert names(_with(SLACK)) == {"alerts": dg.DefaultSensorStatus.RUNNING}


def test_who_is_told_changes_no_release() -> None:
    assert configuration_of(_with(SLACK)) == configuration_of(CONFIG)


def _with(alerts: dict[str, Any]) -> PipelineConfig:
    return PipelineConfig.model_validate({**CONFIG.model_dump(mode="json"), "alerts": alerts})
