"""The ways in which a person backfills, each for real: command lines, and the UI's dialog with a daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import yaml

from medallion_assets.roots import project_folder
from medallion_assets_tests.driven import driven
from medallion_assets_tests.pipeline.sample import CONFIG, Site, alpaca, chat

# Without sensors: nobody else takes what lands.
DEFINITIONS = """
from pathlib import Path
import dagster as dg
from medallion_assets import build_pipeline


@dg.definitions
def defs():
    pipeline = build_pipeline(Path(__file__).with_name("pipeline.yaml"))
    return dg.Definitions(
        assets=pipeline.assets,
        asset_checks=pipeline.asset_checks,
        resources=pipeline.resources,
        executor=pipeline.executor,
    )
"""
TODAY = datetime.now(UTC).date()
DAYS = tuple((TODAY - timedelta(days=ago)).isoformat() for ago in (2, 1, 0))


def test_command_lines_and_backfills_of_the_ui_end_in_the_bytes_of_one_range_run(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    definitions = write_definitions(tmp_path)
    config = CONFIG.model_copy(update={"start_date": TODAY - timedelta(days=2)})
    reference, site = Site(tmp_path / "reference", config), Site(tmp_path / "running", config)
    for each in (reference, site):
        land(each)
    with dg.DagsterInstance.ephemeral() as instance:
        assert reference.run(DAYS[0], DAYS[-1], instance=instance).success
    with driven(tmp_path / "running", definitions=definitions) as running:
        selections = [
            (
                "dagster",
                "asset",
                "materialize",
                "--select",
                "group:bronze",
                "--partition-range",
                f"{DAYS[0]}...{DAYS[2]}",
            ),
            ("dagster", "asset", "materialize", "--select", "group:silver", "--partition", DAYS[1]),
            (
                "dg",
                "launch",
                "--assets",
                "silver/alpaca_conformed,silver/chats_conformed",
                "--partition-range",
                f"{DAYS[0]}...{DAYS[2]}",
            ),
            ("dg", "launch", "--assets", "silver/sft_pairs,silver/profile", "--partition", DAYS[0]),
        ]
        for words in selections:
            done = running.command(*words)
            assert done.returncode == 0, done.stderr[-3000:]
        unit, gold = dg.AssetKey(["silver", "sft_pairs"]), dg.AssetKey(["gold", "packed"])
        runs = running.backfill([unit, gold], [DAYS[0], DAYS[2]])
        assert sorted(day for run in runs for day in days_of(run)) == [DAYS[0], DAYS[2]]
        everything = [dg.AssetKey(stage.asset_path) for stage in site.stages.all()]
        (run,) = running.backfill(everything, None)
        assert days_of(run) == [DAYS[0], DAYS[2]]  # a single run over the range
    assert swept(site) == swept(reference)


def test_a_backfill_of_a_day_of_the_whole_graph_is_one_run_of_that_day(tmp_path: Path) -> None:
    from dagster._core.execution.asset_backfill import AssetBackfillData

    graph = Site(tmp_path).defs.resolve_asset_graph()
    keys = list(graph.materializable_asset_keys)
    with dg.DagsterInstance.ephemeral() as instance:
        backfill = AssetBackfillData.from_asset_partitions(
            asset_graph=graph,
            partition_names=["2024-09-05"],
            asset_selection=keys,
            dynamic_partitions_store=instance,
            backfill_start_timestamp=datetime.now(UTC).timestamp(),
            all_partitions=False,
        )
    asked = {
        (each.asset_key, each.partition_key) for each in backfill.target_subset.iterate_asset_partitions()
    }
    assert asked == {(key, "2024-09-05") for key in keys}


def days_of(run: dg.DagsterRun) -> list[str]:
    """The day of the run, or both ends of its range."""
    if day := run.tags.get("dagster/partition"):
        return [day]
    ends = [run.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    return sorted(set(ends))


def write_definitions(folder: Path) -> Path:
    config = CONFIG.model_dump(mode="json")
    config["start_date"] = DAYS[0]
    for recipe in config["recipes"]:
        recipe["tokenizer"]["path"] = str(project_folder() / recipe["tokenizer"]["path"])
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(config))
    (folder / "definitions.py").write_text(DEFINITIONS)
    return folder / "definitions.py"


def land(site: Site) -> None:
    for number, day in enumerate(DAYS):
        site.land(f"alpaca/{day}/a.jsonl", [alpaca(f"ask {n}", f"answer {n}") for n in range(number, 9)])
        site.land(f"chats/{day}/c.jsonl", [chat("hi", "ho", f"day {number}", "ha"), {"x": 1}])


def swept(site: Site) -> dict[str, str]:
    for stage in site.stages.all():
        site.store.sweep(stage.table, grace_seconds=0)
    return site.fingerprint()
