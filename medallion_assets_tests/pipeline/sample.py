"""A small pipeline of its own for the tests: three sources, two recipes, a landing folder to fill."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg

from medallion_assets import build_pipeline
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.pipeline.works import LONG_AGO, Works

TOKENIZER = {"path": "medallion_assets/tokenizers/chatml"}
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": "2024-09-01",
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "chats", "unit": "sft_pairs", "format": "messages"},
        ],
        "recipes": [
            {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 128},
            {"name": "plain", "unit": "sft_pairs", "tokenizer": TOKENIZER, "packing": "none"},
        ],
    }
)


class Site(Works):
    """A pipeline on folders of its own."""

    def __init__(self, folder: Path, config: PipelineConfig = CONFIG, *, bucket: str | None = None) -> None:
        super().__init__(folder, config, bucket=bucket)
        self.defs: dg.Definitions = build_pipeline(config, roots=self.roots)

    def run(
        self, first: str, last: str | None = None, *, instance: dg.DagsterInstance, select: str = "*"
    ) -> dg.ExecuteInProcessResult:
        """A run through Dagster, of one partition or of a range, as the command line makes it."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        keys = dg.AssetSelection.from_coercible(select).resolve(self.defs.resolve_asset_graph())
        ends = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last or first,
        }
        tags = ends if last else {"dagster/partition": first}
        return job.execute_in_process(asset_selection=list(keys), tags=tags, instance=instance)


def alpaca(instruction: str, output: str) -> dict[str, str]:
    return {"instruction": instruction, "input": "", "output": output}


def chat(*texts: str) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]}


def land_three_days(site: Site) -> None:
    """Repeats within and across days and sources, faults of each kind, and a file delivered twice."""
    site.land("alpaca/2024-09-01/a.jsonl", [alpaca(f"ask {n}", f"answer {n}") for n in range(30)])
    site.land("alpaca/2024-09-01/b.jsonl", [alpaca("ask 3", "answer 3"), alpaca("ask", ""), "{cut"])
    site.land(
        "chats/dt=2024-09-02/c.jsonl", [chat("ask 5", "answer 5"), chat("hi", "ho", "he", "ha"), {"x": 1}]
    )
    site.land("alpaca/a_20240902.jsonl", [alpaca(f"ask {n}", f"answer {n}") for n in range(25, 50)])
    site.land("alpaca/again_20240903.jsonl", [alpaca(f"ask {n}", f"answer {n}") for n in range(30)])
    site.land("chats/2024-09-03/d.jsonl", [chat("hi", "ho", "he", "ha"), chat("long", "word " * 400)])
    (site.roots.landing / "chats/2024-09-03/broken.json").write_text('[{"messages": []}')
    os.utime(site.roots.landing / "chats/2024-09-03/broken.json", (LONG_AGO, LONG_AGO))
