"""What a rollout goes by: run, step, sample, policy version and group, from its record or its file's path.

Belongs here: what the formats of rollout logs share in naming. Does not: arrays of tokens (rollout_tokens.py)
or any one trainer's folders and file names (formats/).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.data_sources import verifier_for
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected, content_id

DATE_FOLDER = re.compile(r"(?:dt=)?\d{4}-\d{2}-\d{2}", re.ASCII)
RUN_FIELDS = ("run_id", "run_name")
POLICY_FIELDS = ("policy_version", "model_step", "weight_step")
NAME_FIELDS = ("step", *RUN_FIELDS, *POLICY_FIELDS)


def run_of(row: dict[str, Any], delivery: Delivery, *, own_folder: str | None = None) -> str:
    """The record's own run, else the folders above the trainer's `own_folder` (a pattern), else the source.

    All folders but those of dates: runs that end alike (a/rollouts, b/rollouts) must not share their keys.
    """
    for name in RUN_FIELDS:
        if given := fields.json_or_text(row.get(name)):
            return given
    folders = [name for name in delivery.file.split("/")[:-1] if not DATE_FOLDER.fullmatch(name)]
    run = "/".join(folders)
    if own_folder is not None:
        run = re.sub(rf"(?:^|/)(?:{own_folder})$", "", run, flags=re.ASCII)
    return run or delivery.source


def step_of(row: dict[str, Any], delivery: Delivery, *, in_path: str | None = None) -> int:
    """The record's step, else the digits that the pattern `in_path` finds in the file's path."""
    if row.get("step") is not None:
        return fields.whole(row["step"], "'step'")
    if in_path is not None and (match := re.search(in_path, delivery.file, re.ASCII)):
        return fields.whole(match[1], f"the step in {delivery.file!r}")
    raise Rejected("missing_field", f"'step' is missing, and {delivery.file!r} has none; found {sorted(row)}")


def sample_of(row: dict[str, Any], key: str, delivery: Delivery) -> int:
    """The log's own index within the step, else the record's position in its file."""
    return position(delivery) if row.get(key) is None else fields.whole(row[key], repr(key))


def position(delivery: Delivery) -> int:
    """In its file; of what was streamed, in its topic, since files are cut anywhere."""
    return delivery.record_number - 1 if delivery.place is None else delivery.place


def place_of(delivery: Delivery) -> int:
    """A sample index for a log without one: its file and its place, so that two files never share one."""
    if delivery.place is not None:
        return delivery.place
    file = hashlib.sha256(delivery.file.encode(errors="surrogateescape")).digest()
    return int.from_bytes(file[:3]) << 32 | position(delivery)


def policy_version(row: dict[str, Any], step: int) -> int:
    """As logged; the step where the log has none."""
    given = [name for name in POLICY_FIELDS if row.get(name) is not None]
    return fields.whole(row[given[0]], repr(given[0])) if given else step


def group_of(prompt: str | Sequence[int]) -> str:
    """One name for all samples of a prompt, where the log names no group."""
    return content_id(prompt)


def verifier_of(data_source: str | None, delivery: Delivery) -> str | None:
    """Named by the data source where that says it, else by the configuration."""
    return verifier_for(data_source or "") or delivery.options.verifier
