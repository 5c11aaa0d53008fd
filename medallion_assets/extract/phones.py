"""Where phone numbers stand in a text, by libphonenumber's rules within ours.

Belongs here: which digits are looked at, and which of its finds are left as dates, decimals or quantities.
Does not: the other kinds of personal data (detectors.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from medallion_assets.extract.quantities import (
    NO_DIGIT,
    ip_address_of,
    is_bare_quantity,
    is_filler,
    is_quantity,
    without_uuids,
)

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch

Span = tuple[int, int]

# Regions whose numbers are known without +country. Each takes time, and takes more numbers for phones.
PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "SE", "BR", "IN", "CN", "TW", "JP", "AU")

_PHONE = re.compile(
    r"[0-9](?:[ ./()~-]{0,4}[0-9]){6,}(?:[ ,;]{0,2}(?:ext\.?|x|#)[ .:]{0,2}[0-9]{1,6}(?![0-9]))?"
)
# What shows a phone whatever its grouping: a plus, a trunk zero, an area code in brackets.
_LEAD = re.compile(r"(?<=\+)[0-9]|0|(?<=\()[0-9]{1,5}\)")
_DATE = re.compile(
    r"\b(?:1[89]|2[01])[0-9]{2}([-./ ])[0-9]{1,2}\1[0-9]{1,2}\b"
    r"|\b[0-9]{1,2}([-./ ])[0-9]{1,2}\2(?:1[89]|2[01])[0-9]{2}\b|\b[0-9]{1,2}/(?:1[89]|2[01])[0-9]{2}\b"
)
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_FRACTION = re.compile(r"[0-9]\.\Z")  # what stands before the digits of one
# Shorter ones, longer ones and other groupings are valid in some region or other, whatever they count.
_BARE_DIGITS = range(10, 14)
_MIN_DIGITS = 9
_MIN_DIGITS_IN_PAIR = 10
_MAX_GROUPS = 6


def phones(text: str, regions: tuple[str, ...] = PHONE_REGIONS) -> Iterator[Span]:
    """Numbers with +country, or written as one of the regions writes them."""
    text = without_uuids(text)
    for window in _PHONE.finditer(text):
        lead = _LEAD.match(text, window.start())
        if lead or _may_be_national(window[0]):
            offset = max(0, window.start() - 3)
            for match in _matches(text[offset : window.end() + 1], regions, lead=lead is not None):
                start, end = offset + match.end - len(match.raw_string.lstrip()), offset + match.end
                if text[start] == "+" or _is_national(text, start, end, match):
                    yield start, end


def _may_be_national(number: str) -> bool:
    groups = NO_DIGIT.sub(" ", number).split()
    digits = sum(map(len, groups))
    if len(groups) <= 2:
        return digits >= _MIN_DIGITS_IN_PAIR or (number[0] in "0(" and digits >= _MIN_DIGITS)
    return digits >= _MIN_DIGITS or (number[0] == "0" and digits == _MIN_DIGITS - 1)


def _matches(piece: str, regions: tuple[str, ...], *, lead: bool) -> Iterator[PhoneNumberMatch]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    leniency = Leniency.VALID if lead else Leniency.STRICT_GROUPING
    for region in _known(regions):
        yield from PhoneNumberMatcher(piece, region, leniency=leniency)


@cache
def _known(regions: tuple[str, ...]) -> tuple[str | None, ...]:
    from phonenumbers import SUPPORTED_REGIONS

    if unknown := sorted(set(regions) - SUPPORTED_REGIONS):
        raise ValueError(f"phone_regions has {unknown}, expected ISO 3166 codes such as 'GB' (not 'UK')")
    return (None, *regions)


def _is_national(text: str, start: int, end: int, match: PhoneNumberMatch) -> bool:
    number = text[start:end]
    groups = NO_DIGIT.sub(" ", number).split()
    digits = "".join(groups)
    if _DATE.search(number) or _DECIMAL.fullmatch(number.strip("()")) or is_filler(digits):
        return False
    if (
        ip_address_of(number)
        or is_quantity(text, start, end)
        or _FRACTION.search(text, max(0, start - 2), start)
    ):
        return False
    if len(groups) > 1:
        is_range = re.fullmatch(r"\([1-9][0-9]+ ?[-/] ?[0-9]+", number)
        return len(groups) <= _MAX_GROUPS and not is_range and _may_be_national(number)
    mobile = digits[0] == "0" or _is_mobile(match)
    return mobile and len(digits) in _BARE_DIGITS and not is_bare_quantity(text, start, end)


def _is_mobile(match: PhoneNumberMatch) -> bool:
    """Numbers that nobody writes a zero before."""
    from phonenumbers import PhoneNumberType, number_type

    return number_type(match.number) in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
