"""Gates: small pure functions that say why a record must not go on, by data unit.

Belongs here: which gates a unit has. Does not: comparing records with each other (dedup.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medallion_assets.curate.gates import preference, rl, sft
from medallion_assets.records import Rejected
from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT

Gate = Callable[[Any], Rejected | None]

GATES: Mapping[str, tuple[Gate, ...]] = {
    SFT_UNIT: sft.GATES,
    PREFERENCE_UNIT: preference.GATES,
    PROMPT_UNIT: rl.PROMPT_GATES,
    ROLLOUT_UNIT: rl.ROLLOUT_GATES,
}


def first_reject(record: Any, gates: Sequence[Gate]) -> Rejected | None:
    for gate in gates:  # a generator here would cost as much as two gates
        if (reject := gate(record)) is not None:
            return reject
    return None
