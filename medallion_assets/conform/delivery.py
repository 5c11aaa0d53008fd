"""What a format knows of a record besides its content: where it came from and what the configuration asks.

Belongs here: the options that a source may set for its format. Does not: their spelling in YAML (config/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FieldPaths = tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """A source's keys that shape how its records are read; a format honours those that it lists.

    `fields`: dotted paths by the name of what they hold. `votes`: for an answer of an annotator, as text,
    whether it means first, second or tie. `ties`: reject or keep (margin 0). `annotators`: what several
    must agree to, majority or unanimous.
    """

    fields: Mapping[str, FieldPaths] = field(default_factory=dict)
    votes: Mapping[str, str] = field(default_factory=dict)
    ties: str = "reject"
    annotators: str = "majority"
    verifier: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One record's provenance, as far as formats need it, and its source's options.

    `place` is where a record that came through a broker stood in its topic, as one number.
    """

    source: str
    file: str
    record_number: int
    options: Options
    place: int | None = None
