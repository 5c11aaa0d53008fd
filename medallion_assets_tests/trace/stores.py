"""What the tests of traces share: the command line on a store, and an independent look at all its rows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
from click.testing import CliRunner, Result

from medallion_assets.cli import main
from medallion_assets_tests.pipeline.sample import Site

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
Row = dict[str, Any]
Where = tuple[str, str, int]  # source, export, record number


def materialized(site: Site, first: str = DAYS[0], last: str = DAYS[-1]) -> Site:
    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(first, last, instance=instance).success
    return site


def medallion(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["trace", *words], env={"MEDALLION_DATA": str(root)})


def answers(root: Path, *words: str) -> list[Any]:
    result = medallion(root, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def rows_below(root: Path, folder: str, label: str) -> list[tuple[str, Row]]:
    """Every row of a table's files, each with its partition; found by their names alone."""
    return [
        (path.parent.name.removeprefix("dt="), row)
        for path in sorted((root / folder).glob(f"**/{label}*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


@dataclass
class Whole:
    """All rows of a site's store in dictionaries, as a check on what a trace finds one by one."""

    root: Path
    sources: list[str]
    recipes: list[str]
    bronze: dict[Where, Row] = field(default_factory=dict)
    conformed: dict[Where, str] = field(default_factory=dict)
    unit: dict[Where, str] = field(default_factory=dict)
    rejected: dict[tuple[str, Where], tuple[str, str]] = field(default_factory=dict)
    spans: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))

    @staticmethod
    def of(site: Site, unit: str = "sft_pairs") -> Whole:
        whole = Whole(site.roots.data, [s.config.name for s in site.stages.sources], [*site.stages.recipes])
        for source in whole.sources:
            whole.bronze |= {
                _where(row): row for _, row in rows_below(whole.root, f"bronze/{source}", "part")
            }
            whole._take(f"silver/{source}_conformed", whole.conformed)
        whole._take(f"silver/{unit}", whole.unit)
        for recipe in whole.recipes:
            whole._take(f"gold/{recipe}", None)
        return whole

    def _take(self, table: str, kept: dict[Where, str] | None) -> None:
        for _, row in rows_below(self.root, table, "rejects"):
            self.rejected[table, _where(row)] = (row["stage"], row["reason"])
        numbers: dict[str, int] = defaultdict(int)
        for day, row in rows_below(self.root, table, "part"):
            if kept is not None:
                kept[_where(row)] = row["record_id"]
                continue
            end = 0
            for length, record_id in zip(row["seq_lengths"], row["record_ids"], strict=True):
                span = {"bin": numbers[day], "start": end, "end": end + length, "offset": 0}
                self.spans[table, record_id].append(span)
                end += length
            numbers[day] += 1

    def way_of(self, where: Where) -> list[tuple[Any, ...]]:
        """The hops that the tables imply."""
        conformed = f"silver/{where[0]}_conformed"
        way: list[tuple[Any, ...]] = [self._kept(conformed, self.conformed, where)]
        if where in self.conformed:
            way.append(self._kept("silver/sft_pairs", self.unit, where))
        if where in self.unit:
            for gold in (f"gold/{recipe}" for recipe in sorted(self.recipes)):
                spans = self.spans.get((gold, self.unit[where]))
                way.append((gold, spans) if spans else (gold, *self.rejected[gold, where]))
        return way

    def _kept(self, table: str, rows: dict[Where, str], where: Where) -> tuple[Any, ...]:
        return (table, rows[where]) if where in rows else (table, *self.rejected[table, where])


def _where(row: Row) -> Where:
    return (row["source"], row["export_sha256"], row["record_number"])


def way_told(fate: Row) -> list[tuple[Any, ...]]:
    """The hops of a fate in JSON, as Whole.way_of puts them."""
    return [_told(hop) for hop in fate["hops"]]


def _told(hop: Row) -> tuple[Any, ...]:
    match hop["outcome"]:
        case "kept":
            return hop["table"], hop["record_id"]
        case "packed":
            return hop["table"], hop["spans"]
        case "rejected":
            return hop["table"], hop["stage"], hop["reason"]
    raise AssertionError(hop)
