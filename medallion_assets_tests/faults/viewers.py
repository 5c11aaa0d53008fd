"""Row 50: the webserver that people look through, which Dagster lets anybody change things with, by GET too.

Belongs here: that with `--read-only` nothing changes, whatever is sent by whom. Does not: who may come in
(the proxy's tests), or what texts do on its pages (the browser's tests).
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import dagster as dg

from medallion_assets_tests.faults.daemons import PIPELINE, environment_of
from medallion_assets_tests.faults.deployment import CODE_SERVER, VIEWER, deployed
from medallion_assets_tests.faults.fault import Fault
from medallion_assets_tests.instance import LOCATION, instance_of

REPOSITORY = f'{{repositoryLocationName: "{LOCATION}", repositoryName: "__repository__"}}'
SENSOR = REPOSITORY[:-1] + ', sensorName: "alpaca_landing"}'
DAY = "2024-09-01"
MUTATIONS = (
    'launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["gold", "packed"]}], '
    f'partitionNames: ["{DAY}"]}}) {{ __typename }}',
    f"startSensor(sensorSelector: {SENSOR}) {{ __typename }}",
    f'setSensorCursor(sensorSelector: {SENSOR}, cursor: "x") {{ __typename }}',
    'wipeAssets(assetPartitionRanges: [{assetKey: {path: ["gold", "packed"]}}]) { __typename }',
    "reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION, "
    f'assetKey: {{path: ["gold", "packed"]}}, partitionKeys: ["{DAY}"]}}) {{ __typename }}',
    'deletePipelineRun(runId: "RUN") { __typename }',
    'terminateRun(runId: "RUN") { __typename }',
    f'addDynamicPartition(partitionKey: "x", partitionsDefName: "y", repositorySelector: {REPOSITORY}) '
    "{ __typename }",
    'setConcurrencyLimit(concurrencyKey: "x", limit: 0)',
    f'shutdownRepositoryLocation(repositoryLocationName: "{LOCATION}") {{ __typename }}',
)
METHODS = ("GET", "POST")
SENDERS = (
    {},
    {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"},
    {"Host": "evil.example.com"},
)


def _mutations(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    store = ground / "store"
    ways = list(product(MUTATIONS, METHODS, SENDERS))
    with (
        deployed(store, PIPELINE, environment_of(store)) as deployment,
        instance_of(deployment.home, deployment.environment) as instance,
    ):
        instance.add_run(dg.DagsterRun(job_name="job", run_id="RUN"))
        deployment.start(CODE_SERVER)
        deployment.start(VIEWER)
        before = _state(instance)
        for seed in seeds:
            mutation, method, sender = ways[seed % len(ways)]
            said = _sent(deployment.url(VIEWER), f"mutation {{ {mutation} }}", method, sender)
            yield None if _state(instance) == before else f"{method} {mutation} by {sender}: {said}"


def _sent(url: str, query: str, method: str, headers: dict[str, str]) -> str:
    address = f"{url}/graphql"
    if method == "GET":
        request = urllib.request.Request(f"{address}?query={urllib.parse.quote(query)}", headers=headers)
    else:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return str(answer.read())
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read()!r}"


def _state(instance: dg.DagsterInstance) -> object:
    """All that mutations could change."""
    runs = {run.run_id: run.status for run in instance.get_runs()}
    sensors = [(state.instigator_origin_id, state.status) for state in instance.all_instigator_state()]
    told = instance.get_materialized_partitions(dg.AssetKey(["gold", "packed"]))
    partitions = instance.get_dynamic_partitions("y")
    return (
        runs,
        sensors,
        told,
        partitions,
        instance.get_backfills(),
        instance.event_log_storage.get_concurrency_keys(),
    )


FAULTS = (Fault("mutations", "50", "a viewer changes nothing", _mutations, quick=0, full=120),)
