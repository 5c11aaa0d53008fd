"""The columns of an asset's table: their types in words, their descriptions, and what they are made of.

Belongs here: schemas and lineage as Dagster's values. Does not: the declarations (schemas.py,
schemas_gold.py, schemas_lineage.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
import pyarrow as pa

from medallion_assets.package.stage import GoldStage
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.schemas import TableSchema
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.schemas_lineage import origins
from medallion_assets.stage import Stage
from medallion_assets.storage.store import Table

MAX_TYPE_CHARACTERS = 60
Origins = Mapping[str, Sequence[tuple[Table, str]]]


def column_schema(stage: Stage) -> dg.TableSchema:
    """A column that is made of others has their names as a tag, since the open UI draws no column lineage."""
    made_of = _origins(stage)
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                type_in_words(column.type),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags=_from(column.name, made_of.get(column.name, ())),
            )
            for column in _schema(stage).columns
        ]
    )


def column_lineage(stage: Stage) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(dg.AssetKey([table.layer, table.name]), column) for table, column in found
            ]
            for name, found in _origins(stage).items()
        }
    )


def type_in_words(type_: pa.DataType) -> str:
    """Arrow's name, but of nested types and dates one that people read at a glance."""
    if pa.types.is_list(type_):
        return f"array of {type_in_words(type_.value_type)}"
    if pa.types.is_struct(type_):
        names = "{" + ", ".join(field.name for field in type_) + "}"
        return names if len(names) <= MAX_TYPE_CHARACTERS else names[: MAX_TYPE_CHARACTERS - 1] + "…}"
    return "date" if pa.types.is_date(type_) else str(type_)


def _schema(stage: Stage) -> TableSchema:
    """Without asking gold for its table, which has to look at the tokenizer's files."""
    return GOLD_SCHEMAS[stage.unit] if isinstance(stage, GoldStage) else stage.table.schema


def _origins(stage: Stage) -> Origins:
    found: dict[str, list[tuple[Table, str]]] = {}
    for table in _read(stage):
        for name, columns in origins(_schema(stage), table.schema).items():
            found.setdefault(name, []).extend((table, column) for column in columns)
    return found


def _read(stage: Stage) -> Sequence[Table]:
    """The inputs whose columns it takes: of a unit's tables, the profile describes the last alone."""
    return [unit.table for unit in stage.units] if isinstance(stage, ProfileStage) else stage.inputs


def _from(name: str, made_of: Sequence[tuple[Table, str]]) -> dict[str, str]:
    names = list(dict.fromkeys(column for _, column in made_of))
    return {} if names in ([], [name]) else {"from": ", ".join(names)}
