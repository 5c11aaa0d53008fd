"""When two failures have the same reason: names count, amounts do not.

"26 hours late" and "27 hours late" are one reason; another file, partition or error is another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medallion_assets.storage.manifest import digest_of

# A number that stands alone, with its unit; not one within a name, a date or a path.
AMOUNT = re.compile(r"(?<![\w.\-/:])[-+]?\d[\d,.]*(?:\s?(?:%|[a-zA-Z]{1,2}\b))?(?!\.?[\w\-/:])")
# What Dagster and Python put into texts and is another one each time.
PASSING = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|/tmp/\S+",
    re.IGNORECASE,
)
PARTITION = re.compile(r"\d{4}-\d\d-\d\d(-\d\d:\d\d)?")


def fingerprint(*parts: Any) -> str:
    """Of texts and of JSON values."""
    return digest_of([list(_names(part)) for part in parts])[:16]


def partitions_named(value: Any) -> list[str]:
    """The partition keys that stand in a JSON value, as a key or as a text of their own."""
    return sorted({name for name in _names(value) if PARTITION.fullmatch(name)})


def _names(value: Any) -> Iterator[str]:
    """Keys and texts, in order; numbers say how much, so they are left out."""
    match value:
        case str():
            yield AMOUNT.sub("#", PASSING.sub("#", value))
        case Mapping():
            for key, inner in sorted(value.items(), key=lambda pair: str(pair[0])):
                yield str(key)
                yield from _names(inner)
        case list() | tuple():
            for inner in value:
                yield from _names(inner)
