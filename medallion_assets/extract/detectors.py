"""Where personal data stands in a text: for each kind that a source can mask, a finder of spans.

Belongs here: what is taken for an e-mail address, IP address, card or national id. Does not: phone numbers
(phones.py), what is left as arithmetic (quantities.py), replacing the finds or reading other scripts' digits
(redact.py, plain.py): texts come with ASCII digits and punctuation. Numbers need whole tokens, their usual
groups or a checksum, since bare digits are mostly arithmetic; each pattern says which.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import chain
from types import MappingProxyType
from typing import Any

from medallion_assets.extract.phones import PHONE_REGIONS, Span, phones
from medallion_assets.extract.quantities import (
    NO_DIGIT,
    ip_address_of,
    is_bare_quantity,
    is_quantity,
    without_uuids,
)

__all__ = ["DETECTORS", "PHONE_REGIONS", "Detector", "Span", "phones"]

Detector = Callable[[str], Iterator[Span]]

_BEFORE = r"(?<![0-9A-Za-z])(?<![0-9]\.)"
_AFTER = r"(?![0-9A-Za-z])(?!\.[0-9])"

# Letters of scripts without spaces: beside an ASCII address they are the sentence, not the address.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    r"\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# What else is not ASCII, without spaces, punctuation and symbols. Combining marks are in: names have them.
_FOREIGN = (
    rf"[^\x00-\xbf\u2000-\u2e7f\u3000-\u303f\ud800-\uf8ff\ufe00-\uffff\U0001f000-\U0001fbff{_UNSPACED}]"
)
_ATEXT = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]"  # RFC 5322, with the dots anywhere
_ATOMS = re.compile(rf"(?:{_ATEXT}|{_FOREIGN})+")
_ANY_ATOMS = re.compile(rf"(?:{_ATEXT}|{_FOREIGN}|[{_UNSPACED}])+")
_HOST = rf"(?:[A-Za-z0-9]|{_FOREIGN})"
_LABEL = rf"{_HOST}(?:(?:{_HOST}|-){{0,61}}{_HOST})?"
_ANY_HOST = rf"(?:{_HOST}|[{_UNSPACED}])"
_TLD = rf"(?:xn--[A-Za-z0-9-]{{2,59}}|(?:[A-Za-z]|{_FOREIGN}){{2,63}})"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?:{_TLD}|[{_UNSPACED}]{{2,5}}(?![{_UNSPACED}]))")
_UNSPACED_DOMAIN = re.compile(rf"(?:{_ANY_HOST}{{1,63}}\.)+(?:{_TLD}|[{_UNSPACED}]{{2,63}})")
_MAX_LOCAL_CHARACTERS = 256  # four times what is valid


def emails(text: str) -> Iterator[Span]:
    """Addresses as a whole, international ones too. A quote or bracket before the first letter stays."""
    at = text.find("@")
    while at >= 0:
        if (start := _local_start(text, at)) < at:
            domain = _DOMAIN.match(text, at + 1) or _UNSPACED_DOMAIN.match(text, at + 1)
            if domain:
                yield start, domain.end()
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    backwards = text[max(0, at - _MAX_LOCAL_CHARACTERS) : at][::-1]
    atoms = _ATOMS.match(backwards) or _ANY_ATOMS.match(backwards)
    return at - len(atoms[0].rstrip(".!#$%&'*+/=?^`{|}~-")) if atoms else at


# Four parts after "version" are a version. Whatever has leading zeros or a part above 255 is no address.
_IPV4 = re.compile(
    rf"(?<!(?i:version) )(?<!(?i:version): ){_BEFORE}[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}{_AFTER}"
)
_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z])")
# Code is full of a::b and 1::2; these are the blocks that any host has an address from.
_IPV6_HOSTS = tuple(
    ipaddress.IPv6Network(block)
    for block in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "::ffff:0:0/96", "64:ff9b::/96")
)
_MAYBE_IPV4 = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_MAYBE_IPV6 = re.compile(r":[0-9A-Fa-f]{0,4}:")


def ips(text: str) -> Iterator[Span]:
    """Addresses of hosts, without port or prefix length. Loopback, masks and 0.0.0.0 name nobody."""
    if _MAYBE_IPV4.search(text):
        for match in _IPV4.finditer(text):
            if _is_host(match[0]):
                yield match.span()
    if _MAYBE_IPV6.search(text):
        for match in _IPV6.finditer(text):
            start, end = _trimmed(text, *match.span())
            if _is_host(text[start:end]):
                yield start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without a label before ("id:fe80::1") and the colon of the sentence."""
    if start > 0 and text[start - 1].isascii() and text[start - 1].isalnum():
        start = text.index(":", start)
    run = text[start:end]
    start += (len(run) - len(run.lstrip(":"))) % 2
    end -= (len(run) - len(run.rstrip(":"))) % 2
    return start, end


def _is_host(text: str) -> bool:
    address = ip_address_of(text)
    if isinstance(address, ipaddress.IPv6Address):
        return any(address in block for block in _IPV6_HOSTS)
    return address is not None and not (address.is_loopback or address.is_unspecified or address.is_reserved)


# Digits in one piece, or in the groups that cards are embossed with; then issuer, length and Luhn digit.
# The longest grouping by itself: where it fails, its first sixteen digits with what follows were meant.
_CARDS = [
    re.compile(f"{_BEFORE}{shape}{_AFTER}")
    for shape in (
        r"[0-9]{4}([ .-]{1,3})(?:[0-9]{4}\1){3}[0-9]{1,3}",
        r"(?:[0-9]{4}([ .-]{1,3})(?:[0-9]{4}\1){2}[0-9]{1,4}|[0-9]{13,19}"
        r"|[0-9]{4}([ .-]{1,3})[0-9]{6}\2[0-9]{4,5}|[0-9]{6}([ .-]{1,3})[0-9]{10,13})",
    )
]
_ISSUED = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[0-9]{15}|(?:5[06-8]|6[0-9])[0-9]{14,17}|2[2-7][0-9]{14}"
    r"|3[47][0-9]{13}|3[0689][0-9]{12,14}|35[0-9]{14,17}|8[12][0-9]{14}"
)
_MAYBE_CARD = re.compile(r"[0-9](?:[ .-]{0,3}[0-9]){12}")


def cards(text: str) -> Iterator[Span]:
    if _MAYBE_CARD.search(text):
        for match in chain.from_iterable(pattern.finditer(text) for pattern in _CARDS):
            digits = NO_DIGIT.sub("", match[0])
            if _ISSUED.fullmatch(digits) and _luhn()(digits) and not is_quantity(text, *match.span()):
                yield match.span()


@cache
def _luhn() -> Callable[[str], bool]:
    from stdnum import luhn

    return luhn.is_valid


# By python-stdnum module, how a number is written. Bare digits are taken where checksum and date let at most
# one in ten random numbers of that length through; SSN and NHS number, weaker, need their groups or a label.
_NATIONAL_IDS = {
    "br.cpf": r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}",
    "cn.ric": r"[0-9]{6} ?[0-9]{8} ?[0-9]{3}[0-9Xx]",
    "de.idnr": r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
    "es.dni": r"[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}-?[A-Za-z]",
    "es.nie": r"[XYZxyz]-?[0-9]{7}-?[A-Za-z]",
    "fi.hetu": r"[0-3][0-9][01][0-9]{3}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]",
    "fr.nir": r"[1-8] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9ABab] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
    "gb.nhs": r"[0-9]{3} [0-9]{3} [0-9]{4}",
    "gb.nino": r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?[0-9]{2}){3} ?[A-D]",
    "in_.aadhaar": r"(?<![0-9] )[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}(?! [0-9])",
    "it.codicefiscale": r"(?:[A-Za-z]{3} ?){2}[0-9L-V]{2}[A-Ta-t][0-9L-V]{2} ?[A-Za-z][0-9L-V]{3}[A-Za-z]",
    "kr.rrn": r"[0-9]{6}-[0-9]{7}",
    "mx.curp": r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]",
    "nl.bsn": r"[0-9]{4}\.[0-9]{2}\.[0-9]{3}|[0-9]{9}",
    "pl.pesel": r"[0-9]{11}",
    "se.personnummer": r"(?:19|20)?[0-9]{6}[-+][0-9]{4}|[0-9]{10}",
    "us.itin": r"9[0-9]{2}([ -])[0-9]{2}\1[0-9]{4}",
    "us.ssn": r"[0-9]{3}([ -])[0-9]{2}\1[0-9]{4}|(?:(?<=SSN )|(?<=SSN: )|(?<=SSN:)|(?<=SSN=))[0-9]{9}",
}
# A cheap look first: eight digits, fewer beside a letter, or the end of a codice fiscale.
_MAYBE_ID = re.compile(
    r"[0-9L-V](?:(?:[ .+-]?[0-9]){7}|[0-9]{5,6}-?[A-Za-z]|[0-9] ?[0-9]{2} ?[0-9]{2} ?[A-D]"
    r"|[0-9L-V][A-Ta-t][0-9L-V]{2} ?[A-Za-z][0-9L-V]{3})"
)


def national_ids(text: str) -> Iterator[Span]:
    text = without_uuids(text)
    if _MAYBE_ID.search(text):
        for pattern, is_valid in _national_ids():
            for match in pattern.finditer(text):
                number = match[0].replace(" ", "").replace(".", "")
                if is_valid(number) and not _is_number(text, *match.span()):
                    yield match.span()


def _is_number(text: str, start: int, end: int) -> bool:
    if is_quantity(text, start, end):
        return True
    return text[start:end].isdigit() and is_bare_quantity(text, start, end)


@cache
def _national_ids() -> tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]:
    return tuple(
        (re.compile(rf"{_BEFORE}(?<![0-9A-Za-z]-)(?:{p}){_AFTER}(?!-[0-9A-Za-z])"), _check(name))
        for name, p in _NATIONAL_IDS.items()
    )


def _check(name: str) -> Callable[[str], bool]:
    """python-stdnum's, but for what it lacks, and for what would depend on today's date or an old table."""
    if name == "gb.nino":
        return lambda number: True
    module: Any = import_module(f"stdnum.{name}")
    if name == "se.personnummer":
        return lambda number: any(module.is_valid(century + number) for century in ("", "19", "20"))
    if name == "cn.ric":
        return lambda number: (
            number[-1].upper() == module.calc_check_digit(number) and _has_date(module, number)
        )
    if name == "kr.rrn":  # the check digit ended in 2020
        return lambda number: _has_date(module, number)
    checked: Callable[[str], bool] = module.is_valid
    return checked


def _has_date(module: Any, number: str) -> bool:
    from stdnum.exceptions import ValidationError

    try:
        return bool(module.get_birth_date(number))
    except ValidationError:
        return False


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {"email": emails, "phone": phones, "ip": ips, "card": cards, "national_id": national_ids}
)
