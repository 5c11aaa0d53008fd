"""Which columns a table's columns are made of, by the schemas of the table and of an input.

Belongs here: one declaration for each such pair. Does not: the schemas (schemas.py, schemas_gold.py), or
which tables feed which (stages.py). An input whose pair is not here decides which rows there are, not what
they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medallion_assets.schemas import (
    BRONZE,
    CONTAMINATION,
    EVAL_INDEX,
    EVAL_ITEMS,
    PREFERENCE_TRIPLES,
    PROFILE,
    RAW,
    RL_CURRICULUM,
    RL_PROMPTS,
    RL_ROLLOUTS,
    SFT_PAIRS,
    UNIT_SCHEMAS,
    TableSchema,
)
from medallion_assets.schemas_gold import (
    GOLD_CURRICULUM,
    GOLD_PREFERENCE,
    GOLD_PROMPTS,
    GOLD_ROLLOUTS,
    GOLD_SFT,
)

Columns = tuple[str, ...]


@dataclass(frozen=True)
class Passage:
    """`made_of` by column; `keeps` says whether the others are those of the same name, and what else is of
    `otherwise`."""

    made_of: Mapping[str, Columns] = field(default_factory=dict)
    keeps: bool = True
    otherwise: Columns = ()

    def origins(self, table: TableSchema, source: TableSchema) -> dict[str, Columns]:
        kept = {column.name for column in source.columns} if self.keeps else set()
        found = {
            column.name: self.made_of.get(
                column.name, (column.name,) if column.name in kept else self.otherwise
            )
            for column in table.columns
        }
        return {name: columns for name, columns in found.items() if columns}


def _each(names: Sequence[str], columns: Columns) -> dict[str, Columns]:
    return dict.fromkeys(names, columns)


# A chat template may say which day it is.
SAID = ("messages", "tools", "landing_date")
ASKED = ("prompt", "tools", "landing_date")
ANSWERED = ("token_ids", "prompt", "completion", "finish_reason", "landing_date")
RATED = ("prompt_key", "reward")
TEXTS = {
    SFT_PAIRS.name: ("messages", "tools"),
    PREFERENCE_TRIPLES.name: ("prompt", "chosen", "rejected", "tools"),
    RL_PROMPTS.name: ("prompt", "ground_truth", "tools"),
    RL_ROLLOUTS.name: ("prompt", "completion"),
}
MEASURED = {
    SFT_PAIRS.name: ("messages",),
    PREFERENCE_TRIPLES.name: ("prompt", "chosen", "rejected"),
    RL_PROMPTS.name: ("prompt",),
    RL_ROLLOUTS.name: ("prompt", "completion"),
}

CONFORMED = {(name, BRONZE.name): Passage(otherwise=(RAW.name,)) for name in UNIT_SCHEMAS}
UNITED = {(name, name): Passage() for name in UNIT_SCHEMAS}
DERIVED = {
    (SFT_PAIRS.name, RL_ROLLOUTS.name): Passage(
        {
            "record_id": ("prompt", "completion"),
            "source": (),
            "source_id": ("record_id",),
            "messages": ("prompt", "completion"),
        }
    ),
    (PREFERENCE_TRIPLES.name, RL_ROLLOUTS.name): Passage(
        {
            "record_id": ("prompt", "completion"),
            "source": (),
            "source_id": ("record_id",),
            **_each(["chosen", "rejected"], ("completion",)),
            **_each(["chosen_score", "rejected_score", "margin"], ("reward",)),
        }
    ),
}
RATES = {
    (RL_CURRICULUM.name, RL_PROMPTS.name): Passage(_each(["attempts", "solved", "pass_rate"], RATED[:1])),
    (RL_CURRICULUM.name, RL_ROLLOUTS.name): Passage(
        _each(["attempts", "solved", "pass_rate"], RATED), keeps=False
    ),
}
EVALUATION = {
    (EVAL_ITEMS.name, BRONZE.name): Passage(otherwise=(RAW.name,)),
    (EVAL_INDEX.name, EVAL_ITEMS.name): Passage(
        {"eval_set": (), "item_id": ("record_id",)}, otherwise=("texts",)
    ),
    (CONTAMINATION.name, EVAL_INDEX.name): Passage(
        {"coverage": ("text", "telling_words"), "matching_text": ("text",)}
    ),
    **{
        (CONTAMINATION.name, name): Passage(_each(["coverage", "matching_text"], texts))
        for name, texts in TEXTS.items()
    },
}
PROFILED = {
    (PROFILE.name, name): Passage(
        {
            **_each(["characters", "histogram", "words", "tokens", "languages"], texts),
            "turns": texts[:1],
            "sample": ("record_id",),
            "rejected": (),  # records by reason; preferences have answers of that name
        }
    )
    for name, texts in MEASURED.items()
}
PROMPTED = Passage(
    {
        "data_source": ("data_source", "verifier", "source"),
        "reward_model": ("ground_truth",),
        "extra_info": ("record_id", "source", "verifier", "extra_info"),
        "prompt_length": ASKED,
    }
)
PACKAGED = {
    (GOLD_SFT.name, SFT_PAIRS.name): Passage({"record_ids": ("record_id",)}, keeps=False, otherwise=SAID),
    (GOLD_PREFERENCE.name, PREFERENCE_TRIPLES.name): Passage(
        {
            **_each(["prompt_ids", "prompt_length"], ASKED),
            **_each(["chosen_ids", "chosen_length"], (*ASKED, "chosen")),
            **_each(["rejected_ids", "rejected_length"], (*ASKED, "rejected")),
            "truncated": (*ASKED, "chosen", "rejected"),
        }
    ),
    (GOLD_PROMPTS.name, RL_PROMPTS.name): PROMPTED,
    (GOLD_CURRICULUM.name, RL_CURRICULUM.name): PROMPTED,
    (GOLD_ROLLOUTS.name, RL_ROLLOUTS.name): Passage(
        {
            "rollout_group": ("run", "step", "rollout_group", "prompt_key"),
            **_each(["input_ids", "length", "truncated"], ANSWERED),
            **_each(["loss_mask", "prompt_length"], ("loss_mask", *ANSWERED)),
            "ids_origin": ("token_ids",),
        }
    ),
}
PASSAGES = CONFORMED | UNITED | DERIVED | RATES | EVALUATION | PROFILED | PACKAGED


def origins(table: TableSchema, source: TableSchema) -> dict[str, Columns]:
    """By column of the table, the columns of this input that it is made of."""
    passage = PASSAGES.get((table.name, source.name))
    return passage.origins(table, source) if passage else {}
