"""The promises of curation, through the whole pipeline: order never matters, only what must change does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.stage import is_outdated
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca, chat
from medallion_assets_tests.pipeline.units_sample import Row, build_day, rows, swept
from medallion_assets_tests.pipeline.works import outdated_days

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
DUCKS = "How many eggs do the sixteen ducks of Janet lay on each day of the long week before she bakes?"
ROBES = "A robe takes two bolts of blue fiber and half that much white fiber, how many bolts in total?"


def config(**other: Any) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "start_date": DAYS[0],
            "sources": [
                {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
                {"name": "chats", "unit": "sft_pairs", "format": "messages"},
            ],
            "eval_sets": [{"name": "quiz", "fields": ["question"]}],
            "recipes": [{"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER}],
            **other,
        }
    )


def essay(topic: str, *, edit: str | None = None) -> str:
    """100 words on a topic; an edited one ends in other words and is 0.94 like it (93 of 99 runs)."""
    words = [f"{topic}{number}" for number in range(100)]
    return " ".join(words if edit is None else [*words[:-3], *[f"{edit}{number}" for number in range(3)]])


def land_repeats(site: Site, days: Sequence[str] = DAYS) -> None:
    """Within a day, across days and across sources."""
    landings = {
        DAYS[0]: {
            "alpaca/2024-09-01/a.jsonl": [
                alpaca("write", essay("sea")),
                alpaca("write", essay("sea", edit="x")),
            ],
            "chats/2024-09-01/c.jsonl": [chat("write", essay("sea", edit="y")), chat("write", essay("sky"))],
        },
        DAYS[1]: {
            "chats/2024-09-02/c.jsonl": [
                chat("write", essay("rain")),
                chat("Write!", essay("sky", edit="z")),
            ],
        },
        DAYS[2]: {
            "alpaca/2024-09-03/a.jsonl": [
                alpaca("write", essay("rain").upper()),
                alpaca("write", essay("sky", edit="z")),
                alpaca("write", essay("ice")),
            ],
        },
    }
    for day in days:
        for name, lines in landings[day].items():
            site.land(name, lines)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The three days in one range run, with every check passed."""
    site = Site(tmp_path_factory.mktemp("reference"), config())
    land_repeats(site)
    with dg.DagsterInstance.ephemeral() as instance:
        result = site.run(DAYS[0], DAYS[-1], instance=instance)
    assert result.success
    assert [each for each in result.get_asset_check_evaluations() if not each.passed] == []
    return site


def unit_rows(site: Site, day: str, *, rejects: bool = False) -> list[Row]:
    return rows(site, site.stages.units["sft_pairs"].table, day, rejects=rejects)


def kept(site: Site, days: Sequence[str] = DAYS) -> dict[str, list[str]]:
    """By day, the last words of what is in silver."""
    return {day: [row["messages"][-1]["content"].split()[-1] for row in unit_rows(site, day)] for day in days}


def reasons(site: Site, day: str) -> list[str]:
    return [row["reason"] for row in unit_rows(site, day, rejects=True)]


def generations(site: Site, layers: Sequence[str]) -> dict[str, int]:
    """The inode of every manifest: another one for every generation."""
    found = (path for layer in layers for path in (site.roots.data / layer).rglob("_manifest.json"))
    return {str(path.parent.relative_to(site.roots.data)): path.stat().st_ino for path in found}


def changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return sorted(
        re.sub("/v=[^/]*", "", name) for name in after if before.get(name) not in (None, after[name])
    )


def test_each_near_duplicate_names_its_twin(reference: Site) -> None:
    twins = [
        (
            day,
            row["source"],
            row["record_number"],
            row["twin_source"],
            str(row["twin_landing_date"]),
            row["similarity"],
        )
        for day in DAYS
        for row in unit_rows(reference, day, rejects=True)
    ]
    assert twins == [
        (DAYS[0], "alpaca", 2, "alpaca", DAYS[0], pytest.approx(94 / 100)),
        (DAYS[0], "chats", 1, "alpaca", DAYS[0], pytest.approx(94 / 100)),
        (DAYS[1], "chats", 2, "chats", DAYS[0], pytest.approx(94 / 100)),
        (DAYS[2], "alpaca", 1, "chats", DAYS[1], 1.0),
        (DAYS[2], "alpaca", 2, "chats", DAYS[1], 1.0),
    ]


def test_of_records_that_are_alike_the_first_stays(reference: Site) -> None:
    assert kept(reference) == {DAYS[0]: ["sea99", "sky99"], DAYS[1]: ["rain99"], DAYS[2]: ["ice99"]}


@pytest.mark.parametrize("order", [DAYS, DAYS[::-1], (DAYS[1], DAYS[2], DAYS[0])])
def test_single_days_in_any_order_give_the_bytes_of_one_range(
    order: tuple[str, ...], reference: Site, tmp_path: Path
) -> None:
    site = Site(tmp_path, config())
    land_repeats(site)
    for day in order:
        build_day(site, day)
    assert swept(site) == reference.fingerprint()


def test_a_late_landing_settles_the_later_days_to_the_same_bytes(
    reference: Site, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = Site(tmp_path, config())
    land_repeats(site, DAYS[1:])
    for day in DAYS:
        build_day(site, day)
    assert kept(site)[DAYS[1]] == ["rain99", "z2"]
    land_repeats(site, DAYS[:1])
    assert site.run(DAYS[0], instance=instance).success
    assert outdated_days(site.stages, site.store) == set()
    assert swept(site) == reference.fingerprint()


def test_buckets_are_nothing_but_speed(reference: Site, tmp_path: Path) -> None:
    site = Site(tmp_path, config())
    land_repeats(site)
    for day in DAYS:
        build_day(site, day)
        for path in (site.roots.data / ".buckets").rglob("*.buckets"):
            path.unlink()
    assert site.fingerprint() == reference.fingerprint()


def contaminated_site(folder: Path) -> Site:
    """Three days, of which the second asks what a quiz will ask, and a quiz of other questions."""
    site = Site(folder, config())
    site.land("alpaca/2024-09-01/a.jsonl", [alpaca("write", essay("sea"))])
    site.land("chats/2024-09-02/c.jsonl", [chat(f"{DUCKS} Think!", "112"), chat("write", essay("sky"))])
    site.land("alpaca/2024-09-03/a.jsonl", [alpaca("write", essay("rain")), alpaca("How", "many")])
    site.land(
        "evals/quiz/2024-09-01/old.jsonl", [{"question": "Nobody asks for this in any of these days at all."}]
    )
    for day in DAYS:
        build_day(site, day)
    return site


def deliver(site: Site, name: str, questions: Sequence[str], instance: dg.DagsterInstance) -> None:
    """The delivery of an evaluation set, and the job that its sensor starts."""
    day = site.land(f"evals/{name}", [{"question": each} for each in questions]).parent.name
    [eval_set, *_] = site.stages.eval_sets
    job = ["/".join(stage.asset_path) for stage in site.stages.fed_by(eval_set.bronze)]
    assert site.run(day, instance=instance, select=job).success  # type: ignore[arg-type]


def test_a_set_that_lands_later_changes_the_affected_days_alone_and_back(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = contaminated_site(tmp_path)
    clean = unit_content(site)
    before = generations(site, ["bronze", "silver", "gold"])
    deliver(site, "quiz/2024-09-04/new.jsonl", [ROBES, DUCKS], instance)
    assert outdated_days(site.stages, site.store) == set()
    after = generations(site, ["bronze", "silver", "gold"])
    judged = [f"silver/sft_pairs_contamination/dt={day}" for day in DAYS]
    affected = [f"{name}/dt={DAYS[1]}" for name in ("gold/packed", "silver/profile", "silver/sft_pairs")]
    assert changed(before, after) == [*affected, *judged]
    assert kept(site) == {DAYS[0]: ["sea99"], DAYS[1]: ["sky99"], DAYS[2]: ["rain99", "many"]}
    [reject] = unit_rows(site, DAYS[1], rejects=True)
    assert (reject["reason"], reject["record_number"], reject["detail"].split(":")[0]) == (
        "contaminated",
        1,
        "quiz",
    )
    assert repr(DUCKS[:-1]) in reject["detail"]
    deliver(site, "quiz/2024-09-05/new.jsonl", [ROBES], instance)
    assert outdated_days(site.stages, site.store) == set()
    assert unit_content(site) == clean
    again = changed(after, generations(site, ["bronze", "silver", "gold"]))
    assert [name for name in again if "contamination" not in name] == affected


def unit_content(site: Site) -> dict[str, str]:
    table = site.stages.units["sft_pairs"].table
    manifests = {day: site.store.manifest(table, day) for day in DAYS}
    return {day: manifest.content_hash for day, manifest in manifests.items() if manifest}


def test_an_unrelated_set_changes_no_partition_of_a_unit(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    before = generations(contaminated_site(tmp_path), ["silver/sft_pairs", "gold"])
    more = config(
        eval_sets=[{"name": "robes", "fields": ["question"]}, {"name": "quiz", "fields": ["question"]}]
    )
    site = Site(tmp_path, more)
    deliver(site, "robes/2024-09-04/r.jsonl", [ROBES], instance)
    for day in outdated_days(site.stages, site.store):  # whose index did not know of the set
        build_day(site, day.isoformat())
    assert outdated_days(site.stages, site.store) == set()
    after = generations(site, ["silver/sft_pairs", "gold"])
    assert {name: after[name] for name in before} == before


def test_verdicts_of_another_generation_hit_nobody_else(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """A run may leave the contamination table out, while a new export has moved the day's records."""
    site = Site(tmp_path, config())
    site.land("evals/quiz/2024-09-01/q.jsonl", [{"question": DUCKS}])
    site.land("alpaca/2024-09-01/a.jsonl", [alpaca(DUCKS, "112")])
    build_day(site, DAYS[0])
    for number in range(4):  # some of their hashes come before the first one's
        site.land(f"alpaca/2024-09-01/{number}.jsonl", [alpaca("write", essay(f"river{number}"))])
    run = ["bronze/alpaca", "silver/alpaca_conformed", "silver/sft_pairs"]
    assert site.run(DAYS[0], instance=instance, select=run).success  # type: ignore[arg-type]
    assert len(unit_rows(site, DAYS[0])) == 4
    assert [row["detail"].split(":")[0] for row in unit_rows(site, DAYS[0], rejects=True)] == ["quiz"]


def built(folder: Path, **other: Any) -> Site:
    site = Site(folder, config(**other))
    land_repeats(site)
    site.land("alpaca/2024-09-01/b.jsonl", [alpaca(DUCKS, "112"), alpaca(DUCKS, "112")])
    site.land("evals/quiz/2024-09-01/q.jsonl", [{"question": DUCKS}])
    for day in DAYS:
        build_day(site, day)
    assert outdated_days(site.stages, site.store) == set()
    return site


def all_reasons(site: Site) -> dict[str, int]:
    found = [reason for day in DAYS for reason in reasons(site, day)]
    return {reason: found.count(reason) for reason in sorted(set(found))}


def test_each_part_of_curation_can_be_switched_off(tmp_path: Path) -> None:
    everything = built(tmp_path / "everything")
    assert all_reasons(everything) == {"contaminated": 1, "exact_duplicate": 1, "near_duplicate": 5}
    alike = built(tmp_path / "alike", near_duplicates=None)
    assert all_reasons(alike) == {"contaminated": 1, "exact_duplicate": 1}
    leaking = built(tmp_path / "leaking", decontamination=None)
    assert all_reasons(leaking) == {"exact_duplicate": 1, "near_duplicate": 5}
    assert (leaking.stages.eval_index, leaking.stages.contamination) == (None, {})
    [alpaca_, chats] = (dict(source) for source in config().model_dump(include={"sources"})["sources"])
    one = built(tmp_path / "one", sources=[alpaca_ | {"compare": []}, chats])
    assert all_reasons(one) == {"contaminated": 1, "exact_duplicate": 1, "near_duplicate": 1}


def test_switching_parts_off_and_on_again_ends_where_it_began(tmp_path: Path) -> None:
    site = built(tmp_path)
    began = site.fingerprint()
    for other in ({"near_duplicates": None}, {"decontamination": None}, {}):
        site = Site(tmp_path, config(**other))
        for day in sorted(outdated_days(site.stages, site.store)):
            build_day(site, day.isoformat())
        assert outdated_days(site.stages, site.store) == set()
    assert swept(site) == began


@pytest.mark.parametrize(
    ("other", "stale"),
    [
        ({"near_duplicates": {"threshold": 0.95}}, {"silver/sft_pairs"}),
        ({"decontamination": {"min_coverage": 0.9}}, {"silver/sft_pairs_contamination"}),
        (
            {"near_duplicates": None},
            {"silver/sft_pairs", "silver/alpaca_conformed", "silver/chats_conformed"},
        ),
    ],
)
def test_another_threshold_makes_exactly_what_it_shapes_outdated(
    other: dict[str, Any], stale: set[str], reference: Site
) -> None:
    stages = Site(reference.roots.data.parent, config(**other)).stages
    found = {
        (stage.table.full_name, key)
        for stage in stages.all()
        for key in stage.due(reference.store)
        if is_outdated(stage, reference.store, key)
    }
    assert found == {(name, day) for name in stale for day in DAYS}


def test_a_source_that_loses_too_much_is_told_and_stops_nothing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    template = [alpaca("call", essay("tool", edit=f"slot{number}")) for number in range(15)]
    site = Site(tmp_path, config(recipes=[]))
    site.land("alpaca/2024-09-01/a.jsonl", [*template, *(alpaca("write", essay(f"t{n}")) for n in range(10))])
    site.land(
        "chats/2024-09-01/c.jsonl", [chat("call", essay("tool")), chat("call", essay("tool", edit="slot"))]
    )
    result = site.run(DAYS[0], instance=instance)
    [check] = [each for each in result.get_asset_check_evaluations() if each.check_name == "removal_rate"]
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["highest_rate"].value == 0.56
    assert [record.data for record in check.metadata["what_is_wrong"].value.records] == [  # type: ignore[union-attr]
        {
            "partition": DAYS[0],
            "source": "alpaca",
            "rate": 0.56,
            "limit": "max_removal_rate 50%",
            "reasons": "14 near_duplicate",
        }
    ]


def test_every_landed_record_is_in_silver_or_in_the_rejects_once(reference: Site) -> None:
    for day in DAYS:
        landed = [row for s in reference.stages.sources for row in rows(reference, s.conformed.table, day)]
        left = [*unit_rows(reference, day), *unit_rows(reference, day, rejects=True)]
        assert sorted(map(place, left)) == sorted(map(place, landed))


def place(row: Row) -> tuple[str, str, int]:
    return row["source"], row["export_sha256"], row["record_number"]
