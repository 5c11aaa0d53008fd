"""Which digits are nobody's: quantities, parts of longer names, fillers, UUIDs.

Belongs here: what several detectors leave alone or ask before they take a number. Does not: what they take
(detectors.py, phones.py).
"""

from __future__ import annotations

import ipaddress
import re

# An operand, a price, a percentage, a decimal or an ordinal is no identifier. An operator has to stand
# between two of them: **bold** and +1 are none.
_COUNTS_BEFORE = re.compile(r"(?:[$€£¥₹第]|[0-9)\]}%](?: ?[*^\xd7\xf7+=] ?| [-/] ))\Z")
_COUNTS_AFTER = re.compile(r"[%°$€£¥₹號号]| ?=| ?[*^\xd7\xf7+] ?[-$€£¥₹(0-9.]| [-/] [0-9(]")
_CURRENCY_BEFORE = re.compile(r"[$€£¥₹] \Z")
_CURRENCY_AFTER = re.compile(r" [%$€£¥₹]")
# Bare digits that are one part of a path, a name or a UUID.
_PART_BEFORE = re.compile(r"[/_-]\Z")
_PART_AFTER = re.compile(r"[/_-][0-9A-Za-z]")
NO_DIGIT = re.compile(r"[^0-9]+")
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
_UUID_CHARACTERS = 36


def is_quantity(text: str, start: int, end: int) -> bool:
    before = _COUNTS_BEFORE.search(text, max(0, start - 4), start)
    return before is not None or _COUNTS_AFTER.match(text, end) is not None


def _is_part(text: str, start: int, end: int) -> bool:
    before = _PART_BEFORE.search(text, max(0, start - 1), start)
    return before is not None or _PART_AFTER.match(text, end) is not None


def is_bare_quantity(text: str, start: int, end: int) -> bool:
    """Of digits in one piece: they need more reasons to be somebody's."""
    priced = _CURRENCY_BEFORE.search(text, max(0, start - 2), start) or _CURRENCY_AFTER.match(text, end)
    return priced is not None or _is_part(text, start, end) or is_filler(text[start:end])


def without_uuids(text: str) -> str:
    return _UUID.sub("-" * _UUID_CHARACTERS, text) if text.count("-") >= 4 else text


def is_filler(digits: str) -> bool:
    """0101010, 111-111-1111: binary, or made up."""
    return len(set(digits)) < 3


def ip_address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
