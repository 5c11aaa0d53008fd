"""What deploy/ and docs/deploy.md say is known to Dagster, and is what the project says elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.workspace.config_schema import WORKSPACE_CONFIG_SCHEMA

from medallion_assets.config.file import check
from medallion_assets.roots import project_folder

PROJECT = project_folder()
VALUES: dict[str, Any] = yaml.safe_load((PROJECT / "deploy/values.yaml").read_text())
INSTANCE: dict[str, Any] = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
GUIDE = (PROJECT / "docs/deploy.md").read_text()
DOCKERFILE = (PROJECT / "deploy/Dockerfile").read_text()
[DEPLOYMENT] = VALUES["dagster-user-deployments"]["deployments"]
# What the chart writes from keys of its own.
OF_THE_CHART = {"run_launcher", "storage", "telemetry"}
CHART_MONITORS = ("runCoordinator", "runMonitoring", "runRetries")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_the_charts_instance_is_ours() -> None:
    ours = {key: value for key, value in INSTANCE.items() if key not in OF_THE_CHART}
    assert VALUES["additionalInstanceConfig"] == ours
    assert VALUES["telemetry"] == INSTANCE["telemetry"]


def test_the_chart_writes_nothing_of_it_a_second_time() -> None:
    daemon = VALUES["dagsterDaemon"]
    assert [daemon[name]["enabled"] for name in CHART_MONITORS] == [False] * 3
    assert not daemon["sensors"]["useThreads"]
    assert not VALUES["retention"]["enabled"]


def test_dagster_knows_every_setting_of_the_instance() -> None:
    found = process_config(dagster_instance_config_schema(), VALUES["additionalInstanceConfig"])
    assert found.success, found.errors


def test_the_run_launcher_is_what_dagster_k8s_takes() -> None:
    k8s = pytest.importorskip("dagster_k8s", reason="pip install '.[k8s]'")
    given = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    config = {
        "service_account_name": "medallion",
        "instance_config_map": "medallion-instance",
        "dagster_home": "/opt/dagster/dagster_home",
        "image_pull_policy": given["imagePullPolicy"],
        "load_incluster_config": given["loadInclusterConfig"],
        "env_config_maps": given["envConfigMaps"],
        "env_secrets": given["envSecrets"],
        "env_vars": given["envVars"],
        "volumes": given["volumes"],
        "volume_mounts": given["volumeMounts"],
        "resources": given["resources"],
        "fail_pod_on_run_failure": given["failPodOnRunFailure"],
    }
    found = process_config(k8s.K8sRunLauncher.config_type(), config)
    assert found.success, found.errors


def test_ray_s_run_launcher_is_what_dagster_ray_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("dagster_ray", reason="pip install dagster-ray")
    *_, block = blocks("yaml")
    launcher = yaml.safe_load(block)["run_launcher"]
    monkeypatch.setenv(launcher["config"]["ray"]["address"]["env"], "http://10.0.0.1:8265")
    assert getattr(ray, launcher["class"]).__module__.startswith(launcher["module"])
    found = process_config(ray.RayRunLauncher.config_type(), launcher["config"])
    assert found.success, found.errors


def test_the_workspace_of_the_guide_is_one() -> None:
    found = process_config(WORKSPACE_CONFIG_SCHEMA, yaml.safe_load(blocks("yaml")[1]))
    assert found.success, found.errors


def test_the_fanout_of_the_guide_is_valid() -> None:
    sources = [{"name": "a", "unit": "sft_pairs", "format": "alpaca"}]
    given = yaml.safe_load(blocks("yaml")[0])
    assert check({"start_date": "2024-09-01", "sources": sources, **given}).fanout.workers == 4


def test_code_servers_are_started_by_module_alone() -> None:
    module = "medallion_assets.definitions"
    assert DEPLOYMENT["codeServerArgs"] == ["-m", module]
    assert f"-m {module}" in GUIDE
    assert f'"-m", "{module}"' in DOCKERFILE
    assert str(DEPLOYMENT["port"]) in DOCKERFILE


def test_the_image_is_pinned_hashed_and_nobody_s() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert {base.partition(":")[2] for base in bases} == {"3.11.14-slim-bookworm"}
    assert "--require-hashes -r requirements-deploy.lock" in DOCKERFILE
    user = re.findall(r"^USER (\d+):", DOCKERFILE, flags=re.MULTILINE)
    assert user == [str(DEPLOYMENT["podSecurityContext"]["runAsUser"])] == ["10001"]


def test_all_that_is_copied_is_there_and_shown_to_the_builder() -> None:
    shown = (PROJECT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    sources = {word for line in copies for word in line.split()[:-1] if not word.startswith("--")}
    assert {line[1:] for line in shown if line.startswith("!")} == sources
    assert [source for source in sources if not (PROJECT / source).exists()] == []


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested, deployed = (pinned(PROJECT / f"requirements-{name}.lock") for name in ("dev", "deploy"))
    assert {name for name in deployed if name in tested and deployed[name] != tested[name]} == set()
    wanted = {
        "dagster",
        "dagster-k8s",
        "dagster-postgres",
        "duckdb",
        "obstore",
        "pyarrow",
        "ray",
        "tokenizers",
    }
    assert wanted <= set(deployed)
    assert set(pinned(PROJECT / "requirements.lock")) <= set(deployed)


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", lock.read_text(), flags=re.MULTILINE))
