"""Laws of layouts: the tokens, masks and borders of gold, and nothing else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.release.layouts import AXOLOTL, IGNORED_LABEL, MEGATRON, axolotl, megatron

DOCUMENTS = st.lists(st.tuples(st.integers(0, 1 << 20), st.booleans()), min_size=1, max_size=9)
BINS = st.lists(st.lists(DOCUMENTS, min_size=1, max_size=4), max_size=5)
Bins = list[list[list[tuple[int, bool]]]]


def gold(bins: Bins) -> pa.RecordBatch:
    """With the first bins sliced off, as batches of a file come, and a column that no layout knows."""
    all_bins = [[[(1, True)]], *bins]
    tokens = [[token for document in documents for token in document] for documents in all_bins]
    columns: dict[str, Any] = {
        "input_ids": [[token for token, _ in each] for each in tokens],
        "labels": [[token if learned else IGNORED_LABEL for token, learned in each] for each in tokens],
        "seq_lengths": [[len(document) for document in documents] for documents in all_bins],
        "record_offsets": [[0] for _ in all_bins],
    }
    schema = pa.schema([(name, pa.list_(pa.int32())) for name in columns])
    return pa.RecordBatch.from_pydict(columns, schema=schema).slice(1)


@given(BINS)
def test_axolotl_has_every_document_alone(bins: Bins) -> None:
    expected = [
        {
            "input_ids": [token for token, _ in document],
            "attention_mask": [1] * len(document),
            "labels": [token if learned else IGNORED_LABEL for token, learned in document],
        }
        for documents in bins
        for document in documents
    ]
    found = axolotl(gold(bins))
    assert found.schema == AXOLOTL.arrow
    assert found.to_pylist() == expected


@given(BINS)
def test_megatron_learns_at_each_place_what_comes_next_in_the_document(bins: Bins) -> None:
    expected = []
    for documents in bins:
        masks = [[int(learned) for _, learned in document[1:]] + [0] for document in documents]
        ends = [0]
        for document in documents:
            ends.append(ends[-1] + len(document))
        expected.append(
            {
                "input_ids": [token for document in documents for token, _ in document],
                "loss_mask": [flag for mask in masks for flag in mask],
                "seq_start_id": ends[:-1],
            }
        )
    found = megatron(gold(bins))
    assert found.schema == MEGATRON.arrow
    assert found.to_pylist() == expected
