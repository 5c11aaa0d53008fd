"""How much one export may ask of the machine that reads it.

Belongs here: the caps and their defaults. Does not: enforcing them (raw.py, compression.py, parquet.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """A longer record is rejected by itself; an export that unpacks to more is quarantined whole."""

    record_bytes: int = 32 << 20
    decompressed_bytes: int = 256 << 30
    compression_ratio: int = 250


DEFAULT_LIMITS = Limits()
# Small exports may be as repetitive as they like: what they unpack to is no burden.
RATIO_IS_LOOKED_AT_FROM_BYTES = 64 << 20
