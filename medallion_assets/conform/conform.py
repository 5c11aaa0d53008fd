"""Bronze rows to conformed rows and rejects: parse, conform, clean, gate, name.

Belongs here: the row loop and the two tables it makes. Does not: any source's shape (formats/) or where
the tables go (stage.py).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa

from medallion_assets.conform import formats
from medallion_assets.curate.clean import clean_text
from medallion_assets.curate.gates import SFT_GATES, first_reject
from medallion_assets.records import Conversation, Rejected, parsed_json, record_id
from medallion_assets.schemas import REJECTS, SFT_PAIRS

PROVENANCE = ("source", "landing_date", "export_sha256", "record_number", "line")


@dataclass(frozen=True)
class Format:
    """A source format: the unit that it feeds and the function that reads one parsed record."""

    name: str
    unit: str
    conform: Callable[[Any], Conversation]


@cache
def format_names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))


@cache
def load_format(name: str) -> Format:
    module = importlib.import_module(f"{formats.__name__}.{name}")
    return Format(name, module.UNIT, module.conform)


def conform_batches(
    batches: Iterator[pa.RecordBatch], format_: Format
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """For each batch of bronze rows, the conformed rows and the rejects: every row is in one of the two."""
    for batch in batches:
        rows: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        for bronze in batch.to_pylist():
            provenance = {name: bronze[name] for name in PROVENANCE}
            try:
                rows.append(_conformed(bronze, format_) | provenance)
            except Rejected as reject:
                rejects.append(_reject(bronze, reject) | provenance)
        yield SFT_PAIRS.table(rows), REJECTS.table(rejects)


def _conformed(bronze: dict[str, Any], format_: Format) -> dict[str, Any]:
    conversation = format_.conform(_parsed(bronze))
    for message in conversation.messages:
        message.content = clean_text(message.content)
        if message.reasoning_content is not None:
            message.reasoning_content = clean_text(message.reasoning_content)
    if reject := first_reject(conversation, SFT_GATES):
        raise reject
    messages = [message.as_row() for message in conversation.messages]
    return {
        "record_id": record_id(messages, conversation.tools),
        "source_id": conversation.source_id,
        "messages": messages,
        "tools": conversation.tools,
    }


def _parsed(bronze: dict[str, Any]) -> Any:
    if bronze["defect"] is not None:
        raise Rejected("unreadable_container", bronze["defect"])
    if bronze["raw"] is None:
        raise Rejected("invalid_utf8", "the record's bytes are not UTF-8")
    try:
        return parsed_json(bronze["raw"])
    except RecursionError as error:
        raise Rejected("too_deep", "the JSON is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise Rejected("invalid_json", str(error)) from error


def _reject(bronze: dict[str, Any], reject: Rejected) -> dict[str, Any]:
    stage = "extract" if bronze["defect"] is not None else "conform"
    return {
        "stage": stage,
        "reason": reject.reason,
        "detail": reject.detail,
        "raw": bronze["raw"],
        "raw_bytes": bronze["raw_bytes"],
    }
