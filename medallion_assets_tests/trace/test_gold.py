"""Laws of traces from gold and from record ids back."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medallion_assets.conform.conform import conform_batches
from medallion_assets.conform.format import load_format
from medallion_assets.package.conversations import encoded
from medallion_assets.package.tokens.encode import ids_and_labels
from medallion_assets.package.tokens.tokenizer import load
from medallion_assets.schemas import BRONZE, SFT_PAIRS
from medallion_assets.trace.bins import document_at, documents_of
from medallion_assets.trace.reader import open_store
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.trace.stores import DAYS, Whole, answers


def bins(site: Site, recipe: str, day: str) -> list[dict[str, Any]]:
    paths = site.store.paths(site.stages.recipes[recipe].table, day)
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def conformed_again(site: Site, origin: dict[str, Any]) -> dict[str, Any]:
    """What the source's format makes of a traced raw text."""
    config = next(s.config for s in site.stages.sources if s.config.name == origin["source"])
    day = pa.scalar(origin["landing_date"]).cast(pa.date32()).as_py()
    batch = BRONZE.table([{**origin, "landing_date": day}]).to_batches()[0]
    rows, _ = next(
        conform_batches(iter([batch]), load_format(config.format), unit=config.unit, options=config.options)
    )
    return rows.to_pylist()[0]


def tokens_of(site: Site, recipe: str, row: dict[str, Any]) -> list[int]:
    tokenizer = load(site.stages.recipes[recipe].tokenizer.folder())
    [found] = encoded(SFT_PAIRS.table([row]).to_batches(), tokenizer)
    assert not found.rejects
    ids, _ = ids_and_labels(found.signed.ids)
    return list(ids)


@pytest.mark.parametrize("recipe", ["packed", "plain"])
def test_every_token_traces_to_a_raw_text_that_conforms_and_encodes_to_its_span(
    traced: Site, recipe: str
) -> None:
    for day in DAYS:
        for number, row in enumerate(bins(traced, recipe, day)):
            end = 0
            while end < len(row["input_ids"]):
                words = ("gold", recipe, "--partition", day, "--bin", str(number), "--position", str(end))
                [answer] = answers(traced.roots.data, *words)
                [document] = answer["documents"]
                again = conformed_again(traced, answer["record"]["fate"]["origin"])
                start, end = document["span"]["start"], document["span"]["end"]
                assert again["record_id"] == document["record_id"] == answer["record"]["record_id"]
                assert tokens_of(traced, recipe, again) == row["input_ids"][start:end]
            assert end == len(row["input_ids"])


@pytest.mark.parametrize("recipe", ["packed", "plain"])
def test_spans_tile_each_bin_and_each_position_has_its_document(traced: Site, recipe: str) -> None:
    with open_store(traced.roots.data) as reader:
        [gold] = [table for table in reader.recipes() if table.name == recipe]
        for day in DAYS:
            for number, row in enumerate(bins(traced, recipe, day)):
                documents = documents_of(reader, gold, day, number)
                owners = [document_at(documents, n)[1] for n in range(len(row["input_ids"]))]
                lengths = zip(row["record_ids"], row["seq_lengths"], strict=True)
                assert owners == [record_id for record_id, length in lengths for _ in range(length)]


def test_a_bin_lists_its_documents_with_where_they_landed(traced: Site, whole: Whole) -> None:
    for day in DAYS:
        for number, row in enumerate(bins(traced, "packed", day)):
            [answer] = answers(traced.roots.data, "gold", "packed", "--partition", day, "--bin", str(number))
            assert [each["record_id"] for each in answer["documents"]] == row["record_ids"]
            for each in answer["documents"]:
                place = each["place"]
                where = (place["source"], place["export_sha256"], place["record_number"])
                assert whole.unit[where] == each["record_id"]
                assert (whole.bronze[where]["file"], whole.bronze[where]["line"]) == (
                    each["file"],
                    each["line"],
                )


def test_every_record_id_leads_to_the_survivor_and_lists_its_other_copies(traced: Site, whole: Whole) -> None:
    for record_id in set(whole.conformed.values()):
        [trace] = answers(traced.roots.data, "record", record_id[:12])
        origin = trace["fate"]["origin"]
        chosen = (origin["source"], origin["export_sha256"], origin["record_number"])
        others = [(c["source"], c["export_sha256"], c["record_number"]) for c in trace["copies"]]
        assert trace["record_id"] == record_id
        assert whole.unit[chosen] == record_id
        assert sorted([chosen, *others]) == sorted(
            w for w, held in whole.conformed.items() if held == record_id
        )
