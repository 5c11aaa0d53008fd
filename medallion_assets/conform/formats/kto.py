"""KTO: {"messages": [turn, …], "label": true or false}, or {"prompt", "completion", "label"}.

A labelled answer stays one: it is chosen, or rejected, and has no other side.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)


def conform(record: Any, delivery: Delivery) -> Preference:
    row = fields.an_object(record)
    desirable = _label(row)
    prompt, answer = _prompt_and_answer(row)
    return Preference(
        prompt,
        chosen=answer if desirable else None,
        rejected=None if desirable else answer,
        tools=tools.definitions(row.get("tools")),
        source_id=fields.own_id(row),
    )


def _label(row: dict[str, Any]) -> bool:
    if "label" not in row:
        raise Rejected("missing_field", f"'label' is missing; found {sorted(row)}")
    label = row["label"]
    if not isinstance(label, bool):
        raise Rejected("wrong_type", f"'label' is a JSON {fields.json_type(label)}, expected a boolean")
    return label


def _prompt_and_answer(row: dict[str, Any]) -> tuple[list[Message], list[Message]]:
    """What is judged is the last assistant turn, and whatever follows it."""
    said = turns.asked(row)
    if row.get("completion") is not None:
        return said, turns.said(row["completion"], "'completion'", by="assistant")
    answers = [place for place, message in enumerate(said) if message.role == "assistant"]
    if not answers:
        raise Rejected("missing_assistant_turn", f"no assistant turn among {len(said)}")
    return said[: answers[-1]], said[answers[-1] :]
