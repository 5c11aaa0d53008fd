"""The sensors of evaluation sets, and of folders that a marker completes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.pipeline.sample import Site

DAY = "2024-09-01"
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAY,
        "sources": [
            {"name": "tokens", "unit": "rl_rollouts", "format": "prime_rl_rollouts"},
            {"name": "chats", "unit": "sft_pairs", "format": "messages", "marker": "_SUCCESS"},
        ],
        "eval_sets": [{"name": "quiz", "fields": ["q"]}],
        "rollouts": {"rejection_sampling": {}},
    }
)
STEP = f"tokens/{DAY}/run/token_exports/step_1"
SEQUENCE: dict[str, Any] = {
    "schema_version": 1,
    "step": 1,
    "rank": 0,
    "export_sequence_idx": 0,
    "env_name": "env",
    "token_ids": [1, 2],
    "loss_mask": [False, True],
    "advantages": [0.0, 0.5],
    "inference_logprobs": [0.0, -0.5],
    "trainer_logprobs": [0.0, -0.5],
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, CONFIG)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(site: Site, feed: str, instance: dg.DagsterInstance) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, definitions=site.defs)
    result = site.defs.get_sensor_def(f"{feed}_landing")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def ingest(site: Site, feed: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Runs the one batch that the sensor asks for."""
    (request,) = tick(site, feed, instance).run_requests or ()
    job = site.defs.resolve_job_def(f"ingest_{feed}")
    return job.execute_in_process(
        partition_key=request.partition_key, tags=dict(request.tags), instance=instance
    )


def passed_through(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.get_asset_materialization_events()
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


def test_a_delivery_of_an_evaluation_set_is_taken_to_all_that_it_may_change(
    site: Site, instance: dg.DagsterInstance
) -> None:
    site.land(f"evals/quiz/{DAY}/q.jsonl", [{"q": "ask"}])
    assert passed_through(ingest(site, "eval_quiz", instance)) == [
        "bronze/eval_quiz",
        "silver/eval_quiz",
        "silver/eval_index",
        "silver/rl_rollouts_contamination",
        "silver/rl_rollouts",
        "silver/rollout_sft_conformed",
        "silver/sft_pairs_contamination",
        "silver/sft_pairs",
        "silver/profile",
    ]
    assert not tick(site, "eval_quiz", instance).run_requests


def test_another_delivery_of_a_file_on_the_same_day_is_a_batch_of_its_own(
    site: Site, instance: dg.DagsterInstance
) -> None:
    [quiz] = site.stages.eval_sets
    for text in ("old", "new"):
        site.land(f"evals/quiz/{DAY}/q.jsonl", [{"q": text}])
        ingest(site, "eval_quiz", instance)
    [batch] = site.store.batches(quiz.items.table, DAY)
    assert [row["texts"] for row in batch.to_pylist()] == [[{"field": "q", "text": "new"}]]
    assert sum(part.rows for part in site.store.manifest(quiz.bronze.table, DAY).parts) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("feed", "file", "row", "marker"),
    [
        ("tokens", f"{STEP}/rank_0.jsonl", SEQUENCE, f"{STEP}/STABLE"),
        ("chats", f"chats/{DAY}/c.jsonl", {"messages": []}, f"chats/{DAY}/_SUCCESS"),
    ],
    ids=["of its format", "of its configuration"],
)
def test_a_folder_is_taken_once_its_marker_lies_in_it(
    feed: str, file: str, row: dict[str, Any], marker: str, site: Site, instance: dg.DagsterInstance
) -> None:
    site.land(file, [row])
    site.land(f"{Path(file).parent.parent}/{Path(marker).name}", [])
    idle = tick(site, feed, instance)
    assert not idle.run_requests
    assert "waiting for 1 files" in str(idle.skip_reason)
    site.land(marker, [])
    (request,) = tick(site, feed, instance).run_requests or ()
    assert request.partition_key == DAY
    bronze = next(each for each in site.stages.bronze() if each.source == feed)
    files = [export.file for export in bronze.inventory(site.store).exports]
    assert files == [file.partition("/")[2]]


def test_the_job_of_a_feed_runs_the_checks_of_what_it_makes(site: Site, instance: dg.DagsterInstance) -> None:
    site.land(f"{STEP}/rank_0.jsonl", [SEQUENCE])
    site.land(f"{STEP}/STABLE", [])
    result = ingest(site, "tokens", instance)
    assert passed_through(result) == [
        "bronze/tokens",
        "silver/tokens_conformed",
        "silver/rl_rollouts_contamination",
        "silver/rl_rollouts",
        "silver/profile",
    ]
    found = [
        (each.asset_key.to_user_string(), each.check_name, each.passed)
        for each in result.get_asset_check_evaluations()
    ]
    assert sorted(found) == [
        ("bronze/tokens", "immutable", True),
        ("bronze/tokens", "readable_exports", True),
        ("silver/profile", "drift", True),
        ("silver/rl_rollouts", "conservation", True),
        ("silver/rl_rollouts", "removal_rate", True),
        ("silver/rl_rollouts", "uncontaminated", True),
        ("silver/rl_rollouts", "unique_ids", True),
        ("silver/tokens_conformed", "conservation", True),
        ("silver/tokens_conformed", "reject_rate", True),
    ]


def test_every_feed_has_a_sensor_and_a_job_of_its_own(site: Site) -> None:
    feeds = ["chats", "eval_quiz", "tokens"]
    names = sorted(sensor.name for sensor in site.defs.sensors or ())
    assert names == sorted([*(f"{feed}_landing" for feed in feeds), "settle", "watch"])
    for feed in feeds:
        assert site.defs.resolve_job_def(f"ingest_{feed}")
