"""Real exports of every format through Dagster, from the landing folder to gold that a trainer loads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dagster as dg
import datasets
import pandas as pd
import pytest
from tokenizers import Tokenizer

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.package.tokens.encode import IGNORED_LABEL
from medallion_assets.roots import project_folder
from medallion_assets.storage.store import Table
from medallion_assets_tests.pipeline.sample import LONG_AGO, TOKENIZER, Site
from medallion_assets_tests.real_data import real_data

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
LANDED = {
    "alpaca/2024-09-01/alpaca_zh_demo.json": "sft/alpaca_zh_demo.json",
    "alpaca/dt=2024-09-02/gpteacher_roleplay.json": "sft/gpteacher_roleplay.json",
    "alpaca/user_20240902.jsonl": "sft/instructionwild_user_2.jsonl",
    "alpaca/2024-09-03/oasst_zh_sft.json": "sft/oasst_zh_sft.json",
    "alpaca/2024-09-03/alpaca_zh_again.json": "sft/alpaca_zh_demo.json",
    "glaive/20240901.json": "sft/glaive_toolcall_en.json",
    "chats/v1_20240902.jsonl": "sft/llamafactory_v1_messages.jsonl",
}
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAYS[0],
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "glaive", "unit": "sft_pairs", "format": "sharegpt"},
            {"name": "chats", "unit": "sft_pairs", "format": "messages"},
        ],
        "recipes": [{"name": "sft", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 4096}],
    }
)


def landed_site(folder: Path) -> Site:
    site = Site(folder, CONFIG)
    for name, original in LANDED.items():
        path = site.roots.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real_data(original), path)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = landed_site(tmp_path_factory.mktemp("real"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(DAYS[0], DAYS[-1], instance=instance).success
    return site


def gold_files(site: Site) -> list[str]:
    gold = site.stages.recipes["sft"].table
    return [str(path) for day in DAYS for path in site.store.paths(gold, day)]


def test_days_run_backwards_give_the_same_bytes(site: Site, tmp_path: Path) -> None:
    backwards = landed_site(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        assert all(backwards.run(day, instance=instance).success for day in reversed(DAYS))
    unit, gold = backwards.stages.units["sft_pairs"].table, backwards.stages.recipes["sft"].table
    backwards.store.sweep(unit, grace_seconds=0)
    backwards.store.sweep(gold, grace_seconds=0)
    assert backwards.fingerprint() == site.fingerprint()


def test_what_landed_is_what_the_data_sets_are_known_to_hold(site: Site) -> None:
    def rejected(table: Table) -> dict[str, int]:
        manifests = [site.store.manifest(table, day) for day in DAYS]
        reasons = [
            reason for manifest in manifests if manifest for reason in manifest.summary["rejected"].items()
        ]
        return {name: sum(count for other, count in reasons if other == name) for name, _ in reasons}

    bronze = {source.config.name: source.bronze.table for source in site.stages.sources}
    rows = {
        name: sum(manifest.rows for day in DAYS if (manifest := site.store.manifest(table, day)))
        for name, table in bronze.items()
    }
    assert rows == {"alpaca": 1000 + 1923 + 248 + 689, "glaive": 300, "chats": 500}
    conformed = site.stages.sources[0].conformed.table
    assert rejected(conformed) == {"invalid_json": 2, "missing_field": 246}
    assert rejected(site.stages.units["sft_pairs"].table) == {
        "exact_duplicate": 8 + 5 + 35 + 1,
        "near_duplicate": 35,
    }


def test_gold_loads_in_datasets_and_pandas_with_the_same_content(site: Site) -> None:
    files = gold_files(site)
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(site.roots.data / "hf")
    )
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    assert loaded.column_names == ["input_ids", "labels", "seq_lengths", "record_ids", "record_offsets"]
    assert loaded[:50]["input_ids"] == [list(ids) for ids in frame["input_ids"][:50]]
    assert all(sum(row["seq_lengths"]) == len(row["input_ids"]) == len(row["labels"]) for row in loaded)


def test_bins_decode_to_their_conversations_with_labels_on_the_assistant_only(site: Site) -> None:
    core = Tokenizer.from_file(str(project_folder() / TOKENIZER["path"] / "tokenizer.json"))
    unit = site.stages.units["sft_pairs"].table
    silver = {
        row["record_id"]: row for day in DAYS for b in site.store.batches(unit, day) for row in b.to_pylist()
    }
    frame = pd.concat([pd.read_parquet(file) for file in gold_files(site)], ignore_index=True)
    checked = 0
    for _, row in frame.iloc[::7].iterrows():
        start = 0
        for length, record_id in zip(row["seq_lengths"], row["record_ids"], strict=True):
            ids, labels = (list(row[name][start : start + length]) for name in ("input_ids", "labels"))
            start += length
            messages = silver[record_id]["messages"]
            text = core.decode(ids, skip_special_tokens=False)
            learned = core.decode([i for i in labels if i != IGNORED_LABEL], skip_special_tokens=False)
            assert all(message["content"] in text for message in messages)
            assert learned.count("<|im_end|>") == sum(message["train"] for message in messages)
            if not any(message["tool_calls"] or message["reasoning_content"] for message in messages):
                assert learned == "".join(f"{m['content']}<|im_end|>" for m in messages if m["train"])
            checked += 1
    assert checked > 100
