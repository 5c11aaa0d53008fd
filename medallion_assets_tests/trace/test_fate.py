"""Laws of traces from a landed line on."""

from __future__ import annotations

from pathlib import Path

from medallion_assets_tests.pipeline.sample import Site, alpaca, chat
from medallion_assets_tests.trace.stores import DAYS, Whole, answers, materialized, medallion, way_told


def test_every_landed_record_has_the_fate_that_the_tables_tell(traced: Site, whole: Whole) -> None:
    told = {
        where: way_told(answers(traced.roots.data, "file", where[1], "--record", str(where[2]))[0])
        for where in whole.bronze
    }
    assert told == {where: whole.way_of(where) for where in whole.bronze}
    assert len(told) == 30 + 3 + 3 + 25 + 2 + 1


def test_every_landed_line_is_traced_by_the_path_of_its_file(traced: Site, whole: Whole) -> None:
    found = 0
    for path in sorted(traced.roots.landing.rglob("*.jsonl")):
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            [fate] = answers(traced.roots.data, "file", str(path), "--line", str(number))
            assert (fate["origin"]["raw"], fate["origin"]["line"]) == (text, number)
            found += 1
    assert found == len(whole.bronze) - 1 + 30  # the broken one has no line; one was delivered twice


def test_a_duplicate_leads_to_the_record_that_survived_it(traced: Site, whole: Whole) -> None:
    survivors = {record_id: where for where, record_id in whole.unit.items()}
    repeated = [where for where in whole.conformed if where not in whole.unit]
    for where in repeated:
        [fate] = answers(traced.roots.data, "file", where[1], "--record", str(where[2]))
        survivor = fate["survivor"]
        first = survivors[whole.conformed[where]]
        origin = survivor["origin"]
        assert (origin["source"], origin["export_sha256"], origin["record_number"]) == first
        assert way_told(survivor) == whole.way_of(first)
    assert len(repeated) == 1 + 1 + 5 + 1


def test_a_file_is_found_by_path_by_landed_name_by_either_delivery_and_by_its_digest(traced: Site) -> None:
    [first] = answers(traced.roots.data, "file", str(traced.roots.landing / "alpaca/2024-09-01/a.jsonl"))
    names = ("alpaca/2024-09-01/a.jsonl", "2024-09-01/a.jsonl", "a.jsonl", "again_20240903.jsonl")
    by_name = [answers(traced.roots.data, "file", name) for name in (*names, first["export"]["sha256"])]
    assert by_name == [[first]] * 5
    assert first["export"]["also_as"] == ["again_20240903.jsonl"]


def test_the_funnel_of_a_file_accounts_for_each_of_its_records(traced: Site, whole: Whole) -> None:
    for export in {where[1] for where in whole.bronze}:
        [answer] = answers(traced.roots.data, "file", export)
        ways = [whole.way_of(where) for where in whole.bronze if where[1] == export]
        assert answer["records"] == len(ways)
        for passage in answer["passages"]:
            hops = [hop for way in ways for hop in way if hop[0] == passage["table"]]
            reasons = [hop[2] for hop in hops if len(hop) == 3]
            assert passage["rejected"] == {reason: reasons.count(reason) for reason in reasons}
            assert passage["kept"] == len(hops) - len(reasons)


def test_what_is_not_materialized_yet_is_said_with_the_command_that_does_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.land("alpaca/2024-09-01/a.jsonl", [alpaca("ask", "answer")])
    told = []
    for asset in ("bronze/alpaca", "silver/alpaca_conformed", "silver/sft_pairs", "gold/packed"):
        with_asset = materialized_only(site, asset)
        [fate] = answers(with_asset.roots.data, "file", "a.jsonl", "--line", "1")
        told.append([(hop["table"], hop["outcome"]) for hop in fate["hops"]])
    kept = [("silver/alpaca_conformed", "kept"), ("silver/sft_pairs", "kept")]
    assert told == [
        [("silver/alpaca_conformed", "not_materialized")],
        [kept[0], ("silver/sft_pairs", "not_materialized")],
        kept,
        [*kept, ("gold/packed", "packed")],
    ]
    site.land("alpaca/2024-09-01/late.jsonl", [alpaca("late", "words")])
    materialized_only(site, "bronze/alpaca")
    text = medallion(site.roots.data, "file", "late.jsonl", "--line", "1").output
    command = "dagster asset materialize --select silver/alpaca_conformed --partition 2024-09-01"
    assert f"not materialized yet; the partition is older than this record; make it again: {command}" in text


def materialized_only(site: Site, asset: str) -> Site:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(DAYS[0], instance=instance, select=f'key:"{asset}"').success
    return site


def test_the_same_file_in_two_sources_has_a_fate_in_each(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for source in ("alpaca", "chats"):
        site.land(f"{source}/2024-09-01/same.jsonl", [chat("hi", "ho")])
    materialized(site, DAYS[0], DAYS[0])
    fates = answers(site.roots.data, "file", "same.jsonl", "--line", "1")
    assert [(fate["origin"]["source"], fate["hops"][-1]["outcome"]) for fate in fates] == [
        ("alpaca", "rejected"),
        ("chats", "packed"),
    ]


def test_other_bytes_under_an_old_name_are_another_export_to_choose(tmp_path: Path) -> None:
    site = Site(tmp_path)
    digests = []
    for text in ("one", "two"):
        site.land("alpaca/2024-09-01/a.jsonl", [alpaca("ask", text)])
        materialized(site, DAYS[0], DAYS[0])
        digests.append(
            answers(site.roots.data, "file", str(site.roots.landing / "alpaca/2024-09-01/a.jsonl"))
        )
    result = medallion(site.roots.data, "file", "a.jsonl")
    assert result.exit_code == 1
    assert "2 exports landed as a.jsonl; give the SHA-256 of one:" in result.output
    assert all(answer[0]["export"]["sha256"] in result.output for answer in digests)


def test_a_line_within_a_record_is_that_record_and_one_outside_is_none(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.land("alpaca/2024-09-01/a.json", ['[{"instruction": "a",\n  "output": "b"},\n', "{}, {}]"])
    materialized(site, DAYS[0], DAYS[0])
    lines = [medallion(site.roots.data, "file", "a.json", "--line", str(n)) for n in range(1, 6)]
    assert [line.output.splitlines()[0] for line in lines] == [
        "2024-09-01/a.json: record 1, line 1, byte 1",
        "2024-09-01/a.json: record 1, line 1, byte 1",
        "Error: line 3 of 2024-09-01/a.json holds no record; the last before it, record 1, begins on line 1",
        "Error: line 4 of 2024-09-01/a.json holds records 2 to 3; name one with --record instead of --line",
        "Error: line 5 of 2024-09-01/a.json holds no record; the last before it, record 3, begins on line 4",
    ]
