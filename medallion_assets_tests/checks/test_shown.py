"""Laws of what is shown: every failing partition can be found, and texts of others stand in tables alone."""

from __future__ import annotations

import dagster as dg

from medallion_assets.checks.finding import Finding
from medallion_assets.checks.shown import FAULTS_SHOWN, metadata_of, result_of, sentence

ASSET = dg.AssetKey(["silver", "sft_pairs"])
DAYS = [f"2024-09-{day:02}" for day in range(1, 31)]
HOSTILE = "![](https://example.org/x.png)<script>"


def test_hostile_texts_stand_in_tables_alone() -> None:
    finding = Finding.of(1, [{"partition": DAYS[0], "file": HOSTILE}])
    result = result_of("readable_exports", ASSET, finding)
    assert HOSTILE not in str(result.description)
    holding = {name for name, value in (result.metadata or {}).items() if HOSTILE in str(value)}
    assert holding == {"what_is_wrong"}
    assert isinstance(metadata_of(finding)["what_is_wrong"], dg.TableMetadataValue)


def test_the_first_partitions_are_named_and_the_rest_is_counted() -> None:
    finding = Finding.of(30, [{"partition": day} for day in DAYS])
    assert "2024-09-01, 2024-09-02, 2024-09-03, 2024-09-04, 2024-09-05 and 25 more. " in sentence(
        "unique_ids", finding
    )
    metadata = metadata_of(finding)
    assert metadata["failing_partitions"].split(", ") == DAYS
    assert (metadata["faults"], len(metadata["what_is_wrong"].records)) == (30, FAULTS_SHOWN)


def test_faults_with_other_columns_share_a_table() -> None:
    faults = [{"partition": DAYS[0], "row": 1}, {"partition": DAYS[1], "what": None}]
    table = metadata_of(Finding.of(2, faults))["what_is_wrong"]
    assert [record.data for record in table.records] == [
        {"partition": DAYS[0], "row": 1, "what": ""},
        {"partition": DAYS[1], "row": "", "what": ""},
    ]


def test_what_is_sound_says_how_much_was_judged() -> None:
    said = [sentence("drift", Finding.of(judged, [])) for judged in (0, 1, 2)]
    assert said == ["Nothing to judge.", "Nothing wrong in 1 partition.", "Nothing wrong in 2 partitions."]
