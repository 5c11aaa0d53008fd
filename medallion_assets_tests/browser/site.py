"""What the browser finds: a small pipeline with three days, some of them hostile, and gold yet to be made.

Belongs here: exports and the run that takes them in, without a browser. Does not: pages (ui.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.instance import instance_of, write_workspace
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca, chat

# Up to now, so that they are all the partitions there are.
TODAY = datetime.now(UTC).date()
DAYS = tuple((TODAY - timedelta(days=ago)).isoformat() for ago in (2, 1, 0))
HOSTILE_DAY = DAYS[1]
LANDED_A_DAY, REPEATED = 30, 5
LANDED_BEFORE = '+key:"silver/profile"'  # and all that leads to it: gold is left to the tests
PIPELINE = {
    "start_date": DAYS[0],
    "sources": [
        {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca", "owner": "team:post-training"},
        {"name": "chats", "unit": "sft_pairs", "format": "messages"},
    ],
    "recipes": [
        {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 256},
        {"name": "plain", "unit": "sft_pairs", "tokenizer": TOKENIZER, "packing": "none"},
    ],
    "releases": [{"name": "v1", "recipes": ["packed"], "from": DAYS[0], "to": DAYS[-1]}],
}
# Each would call alert() or draw an element with this attribute, if it were taken for more than text.
# None has a slash, so that each can be the name of a file.
MARK = "data-hostile"
HOSTILE = (
    f"<script {MARK}>alert(1)<!--",
    f"<img {MARK} src=x onerror=alert(2)>",
    f"<svg {MARK} onload=alert(3)><title>",
    f"<iframe {MARK} srcdoc='<script>alert(4)<!--'>",
    f"<details {MARK} open ontoggle=alert(5)>",
    "[click](javascript:alert(6))",
    "![pixel](javascript:alert(7))",
    f'"><b {MARK} onmouseover=alert(8)>`<!--',
)
REMOTE_IMAGE = "![pixel](http://127.0.0.1:9/pixel.png)"


def prepare(folder: Path, home: Path) -> Path:
    """Lands everything and takes it through to silver; the workspace file for an instance on that."""
    site = Site(folder, PipelineConfig.model_validate(PIPELINE))
    for number, day in enumerate(DAYS):
        first = number * LANDED_A_DAY
        rows = [alpaca(f"ask {n}", f"answer {n}") for n in range(first, first + LANDED_A_DAY + REPEATED)]
        site.land(f"alpaca/{day}/a.jsonl", rows)
        site.land(f"chats/{day}/c.jsonl", [chat(f"hi {n}", f"ho {n}") for n in range(first, first + 20)])
    land_hostile(site)
    with instance_of(home) as instance:
        site.run(DAYS[0], DAYS[-1], instance=instance, select=LANDED_BEFORE)
    return write_workspace(folder, yaml.safe_dump(PIPELINE))


def land_hostile(site: Site) -> None:
    """Hostile file names, texts, keys, roles and lines that are no JSON; whole, rejected and unreadable."""
    for number, text in enumerate(HOSTILE):
        site.land(f"alpaca/{HOSTILE_DAY}/{text}.jsonl", [*_instructions(text), f"{text}{{", {text: text}])
        site.land(f"chats/{HOSTILE_DAY}/{text}.jsonl", list(_chats(f"{text} {number}")))
    for source in ("alpaca", "chats"):
        site.land(f"{source}/{HOSTILE_DAY}/broken {HOSTILE[1]}.json", ['[{"messages": []}'])
        link = site.roots.landing / source / HOSTILE_DAY / f"link {HOSTILE[0]}"
        link.symlink_to("/dev/null")


def _instructions(text: str) -> Iterator[dict[str, Any]]:
    yield alpaca(text, f"{text} {REMOTE_IMAGE}")
    yield {**alpaca(f"{text} of another", text), "input": text, "system": text, "id": text}
    yield {"instruction": [text], "output": text}
    yield alpaca(text, "")


def _chats(text: str) -> Iterator[dict[str, Any]]:
    yield chat(text, text)
    yield {"messages": [{"role": text, "content": text}, {"role": "assistant", "content": text}]}
    yield {"messages": [{"role": "user", "content": {text: text}}], "tools": text, text: text}
