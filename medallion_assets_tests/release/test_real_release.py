"""A release of real conversations, held against a real evaluation set, passes its audit and loads whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.release import Stream, load
from medallion_assets_tests.pipeline.sample import LONG_AGO, TOKENIZER
from medallion_assets_tests.real_data import real_data
from medallion_assets_tests.release.releases import ReleaseSite

DAYS = ("2024-09-01", "2024-09-02")
LANDED = {
    "oasst/2024-09-01": "sft/oasst_en_100_tree.jsonl",
    "lima/2024-09-02": "sft/lima_1k.json",
    "zh/2024-09-02": "sft/alpaca_zh_demo.json",
    "evals/gsm8k/2024-09-02": "evals/gsm8k_test.jsonl",
}
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAYS[0],
        "sources": [
            {"name": "oasst", "unit": "sft_pairs", "format": "oasst"},
            {"name": "lima", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "zh", "unit": "sft_pairs", "format": "alpaca"},
        ],
        "eval_sets": [{"name": "gsm8k", "fields": ["question", "answer"]}],
        "recipes": [{"name": "sft", "unit": "sft_pairs", "tokenizer": TOKENIZER}],
        "releases": [
            {
                "name": "real",
                "recipes": ["sft"],
                "from": "2024-09-01",
                "to": "2024-09-02",
                "layouts": ["megatron"],
            }
        ],
    }
)


def test_a_real_release_passes_its_audit_and_loads_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    site = ReleaseSite(tmp_path, CONFIG)
    for place, name in LANDED.items():
        landed = site.site.roots.landing / place / Path(name).name
        landed.parent.mkdir(parents=True)
        shutil.copyfile(real_data(name), landed)
        os.utime(landed, (LONG_AGO, LONG_AGO))
    release = site.build(DAYS).cut("real")
    audit = site.audit("real")
    assert (audit.passed, audit.differences, audit.drifts) == (True, (), ())
    whole = load(release.folder, "sft").to_list()
    halves = [
        list(load(release.folder, "sft", streaming=Stream(seed=1, rank=rank, world_size=2)))
        for rank in (0, 1)
    ]
    assert sorted(halves[0] + halves[1], key=str) == sorted(whole, key=str)
