"""Schemas are contracts: a change of columns is a new version, and every column says what it is."""

from __future__ import annotations

import hashlib

import pytest

from medallion_assets import schemas, schemas_gold
from medallion_assets.schemas import TableSchema

NAMED = {**vars(schemas), **vars(schemas_gold)}
ALL = [value for value in NAMED.values() if isinstance(value, TableSchema)]
# By schema and version. A new version is a new line here; a line that is here never changes.
PUBLISHED = {
    ("bronze", 1): "14daef1cbb1898a1",
    ("sft_pairs", 1): "faca08888d214d4e",
    ("preference_triples", 1): "3b4bd20337e02624",
    ("rl_prompts", 1): "5885df567f93274f",
    ("rl_rollouts", 1): "d8d54f5548f8deaf",
    ("rl_curriculum", 1): "9f43fdde55898cf3",
    ("eval_items", 1): "e7da3e2b92821620",
    ("rejects", 1): "23666af513fe0a9f",
    ("fingerprints", 1): "0219ef44fbc20123",
    ("eval_index", 1): "92018fdaed176af0",
    ("contamination", 1): "de7a89e1e9806455",
    ("profile", 1): "cbb0b335456bd774",
    ("gold_sft", 1): "b01c9568cf22e05d",
    ("gold_sft", 2): "8f1d0660cfb08926",
    ("gold_preference", 1): "4afc0ffdf4883e98",
    ("gold_prompts", 1): "1169888437bbb9b6",
    ("gold_curriculum", 1): "b1d78c90854444dc",
    ("gold_rollouts", 1): "162fe76542edce2b",
}


def fingerprint(schema: TableSchema) -> str:
    """Of what files hold: names, types and nullability, in order; not of the words about them."""
    return hashlib.sha256(schema.arrow.to_string(show_field_metadata=False).encode()).hexdigest()[:16]


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_columns_change_only_with_the_version(schema: TableSchema) -> None:
    assert PUBLISHED.get((schema.name, schema.version)) == fingerprint(schema)


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_every_column_is_described(schema: TableSchema) -> None:
    assert [column.name for column in schema.columns if not column.description.endswith(".")] == []
    assert len(set(schema.arrow.names)) == len(schema.columns)
