"""Backfills and single runs that a soak launches through GraphQL, as the UI's dialog does.

Belongs here: what is asked for and how. Does not: whether it came out right (verdicts.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from medallion_assets.automation.jobs import RANGE_END, RANGE_START
from medallion_assets.stages import PipelineStages
from medallion_assets_tests.instance import LOCATION, Instance
from medallion_assets_tests.soak.pipeline import DAYS

BACKFILL = """mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUN = """mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
Path = tuple[str, ...]


def launch_all(instance: Instance, stages: PipelineStages, days: Sequence[str]) -> None:
    """The whole graph from the first of these dates to the last, in one run, as the nightly schedule asks."""
    _run(instance, [stage.asset_path for stage in stages.all()], {RANGE_START: days[0], RANGE_END: days[-1]})


def launch_any(instance: Instance, stages: PipelineStages, random: Random) -> str:
    """A layer, a random handful of assets or all of them, for one date or a few; what was launched."""
    everything: list[Path] = [stage.asset_path for stage in stages.all()]
    layer = random.choice(["bronze", "silver", "gold"])
    selections = [
        everything,
        [path for path in everything if path[0] == layer],
        random.sample(everything, random.randint(1, len(everything) - 1)),
    ]
    chosen, days = random.choice(selections), sorted(random.sample(DAYS, random.randint(1, len(DAYS))))
    if len(days) == 1:
        return _run(instance, chosen, {"dagster/partition": days[0]})
    return _backfill(instance, chosen, days)


def _backfill(instance: Instance, assets: Sequence[Path], days: Sequence[str]) -> str:
    parameters = {"assetSelection": _keys(assets), "partitionNames": list(days), "tags": []}
    answer = instance.graphql(BACKFILL, {"parameters": parameters})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return "backfill"


def _run(instance: Instance, assets: Sequence[Path], tags: Mapping[str, str]) -> str:
    parameters = {
        "selector": {
            "repositoryLocationName": LOCATION,
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": _keys(assets),
            "assetCheckSelection": None,
        },
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    answer = instance.graphql(RUN, {"parameters": parameters})["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return "single run"


def _keys(assets: Sequence[Path]) -> list[dict[str, list[str]]]:
    return [{"path": list(path)} for path in assets]
