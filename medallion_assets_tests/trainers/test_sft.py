"""What TRL's SFTTrainer makes of packed gold: whole documents that do not see each other, and our labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.package.recipe import Packaging
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets_tests.package.golden import transformers_tokenizer, turns_of
from medallion_assets_tests.trainers.tiny import QUIET, conversations, from_parquet, gold_files, losses, model

PACKED = Packaging(max_length=512)
ALONE = Packaging(max_length=512, packing="none")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return from_parquet(gold_files(SFT_PAIRS, conversations(), tmp_path_factory.mktemp("packed"), PACKED))


def trainer(dataset: Any, folder: Path, *, attention: str = "sdpa", **other: Any) -> Any:
    from trl import SFTConfig, SFTTrainer

    known = {"packing": False, "padding_free": True, "max_length": None, "per_device_train_batch_size": 2}
    args = SFTConfig(output_dir=str(folder), **{**QUIET, **known, **other})
    return SFTTrainer(
        model=model(attention), args=args, train_dataset=dataset, processing_class=transformers_tokenizer()
    )


def first_batch(trained: Any) -> dict[str, Any]:
    return dict(next(iter(trained.get_train_dataloader())))


def token_losses(trained: Any, batch: dict[str, Any]) -> Any:
    """Of each token of a flat batch that is learned, in order."""
    import torch

    labels = batch["labels"][:, 1:]
    seen = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        logits = trained.model.eval()(**seen, use_cache=False).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each[labels.flatten() != -100]


def documents(batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of a flat batch, each as a batch of its own."""
    import torch

    starts = [*torch.nonzero(batch["position_ids"][0] == 0).flatten().tolist(), batch["input_ids"].shape[1]]
    for start, end in pairwise(starts):
        yield {name: batch[name][:, start:end] for name in ("input_ids", "labels")}


def one_by_one(trained: Any, batch: dict[str, Any]) -> Any:
    import torch

    return torch.cat([token_losses(trained, document) for document in documents(batch)])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_losses_of_a_packed_batch_are_those_of_its_conversations_alone(
    attention: str, packed: Any, tmp_path: Path
) -> None:
    import torch

    trained = trainer(packed, tmp_path, attention=attention)
    batch = first_batch(trained)
    together, alone = token_losses(trained, batch), one_by_one(trained, batch)
    assert len([*documents(batch)]) > 4
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        loss = trained.compute_loss(trained.model.eval(), dict(batch))
    torch.testing.assert_close(loss, alone.mean(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "leak",
    [
        {"position_ids": None},
        {"cu_seq_lens_q": None, "position_ids": None},
        {"attention_mask": True},
    ],
    ids=["positions gone", "nothing left", "a mask over all"],
)
def test_a_leak_between_documents_shows(leak: dict[str, Any], packed: Any, tmp_path: Path) -> None:
    """So the law above could fail: here documents see those before them, and losses move."""
    import torch

    trained = trainer(packed, tmp_path)
    batch = first_batch(trained)
    leaking = {name: value for name, value in batch.items() if name not in leak}
    if "attention_mask" in leak:
        leaking["attention_mask"] = torch.ones_like(batch["input_ids"])
    difference = (token_losses(trained, leaking) - one_by_one(trained, batch)).abs()
    assert difference.max() > 0.1


def test_every_document_of_the_table_is_in_the_batches_whole(packed: Any, tmp_path: Path) -> None:
    trained = trainer(packed, tmp_path)
    seen = sorted(
        document["input_ids"][0].tolist()
        for batch in trained.get_train_dataloader()
        for document in documents(dict(batch))
    )
    borders = [
        [0, *(sum(row["seq_lengths"][: n + 1]) for n in range(len(row["seq_lengths"])))] for row in packed
    ]
    held = [
        row["input_ids"][start:end]
        for row, ends in zip(packed, borders, strict=True)
        for start, end in pairwise(ends)
    ]
    assert seen == sorted(held)


def test_it_trains(packed: Any, tmp_path: Path) -> None:
    trained = trainer(packed, tmp_path, max_steps=6)
    trained.train()
    first, *_, last = losses(trained)
    assert math.isfinite(last)
    assert last < first


def test_ids_and_labels_are_those_that_trl_prepares_itself(tmp_path: Path) -> None:
    from datasets import Dataset

    talks = conversations()
    ours = from_parquet(gold_files(SFT_PAIRS, talks, tmp_path / "gold", ALONE))
    theirs = trainer(
        Dataset.from_list([{"messages": turns_of(talk.messages)} for talk in talks]),
        tmp_path,
        padding_free=False,
        assistant_only_loss=True,
    ).train_dataset
    by_id = {row["record_ids"][0]: (row["input_ids"], row["labels"]) for row in ours}
    expected = {
        talk.as_row()["record_id"]: (row["input_ids"], row["labels"])
        for talk, row in zip(talks, theirs, strict=True)
    }
    assert by_id == expected
