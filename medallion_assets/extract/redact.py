"""Redaction of a sensitive source's records, before anything of them is stored.

Belongs here: dropping and hashing fields, masking what the detectors find, the salt. Does not: what counts
as personal data (detectors.py) or which source asks for what (config.py).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any

from medallion_assets.extract.detectors import DETECTORS, PHONE_REGIONS, Detector, Span, phones
from medallion_assets.records import canonical_json

SALT_VARIABLE = "MEDALLION_REDACTION_SALT"
MIN_SALT_BYTES = 16
HASH_HEX_DIGITS = 32
# JSON inside a string: without this, the n of \n is a letter in front of the number that follows.
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|[nrtbf/"])')

# Every detector needs one of these; most strings of most records have none.
_HINT = re.compile(r"[@\uff20\d]|::")

Finder = tuple[str, Detector]


class SaltUnusable(RuntimeError):
    """The salt is missing or short; without it, a list of identifiers is enough to undo the hashes."""


def salt_from_environment(name: str) -> bytes:
    """The salt for the hashes of source `name`. The same one for ever, or identifiers stop matching."""
    salt = os.environ.get(SALT_VARIABLE, "").encode(errors="surrogateescape")
    if len(salt) < MIN_SALT_BYTES:
        fault = f"has {len(salt)} bytes, at least {MIN_SALT_BYTES} are needed" if salt else "is not set"
        raise SaltUnusable(
            f"{SALT_VARIABLE} {fault}: source {name!r} hashes identifiers with it. Set it where the pipeline "
            "runs, to a secret such as `openssl rand -hex 32` prints, and keep it."
        )
    return salt


@dataclass(frozen=True)
class Redaction:
    """What of a source's records is not stored. Dotted paths go into a list's elements, all or one by number."""

    drop: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    phone_regions: tuple[str, ...] = PHONE_REGIONS

    def __post_init__(self) -> None:
        if unknown := [name for name in self.mask if name not in DETECTORS]:
            raise ValueError(f"mask has {unknown}, expected of {sorted(DETECTORS)}")

    def record(self, value: Any, salt: bytes) -> Any:
        """The JSON value without dropped fields, with hashed ones, and every other text and key masked."""
        return self._redacted(value, self.drop, self.hash, salt)

    def text(self, text: str) -> str:
        """Masked until nothing is found, since what is left of a number can be one by itself."""
        while _HINT.search(text) and (found := _joined(_found(plain(text), self._finders))):
            text = _masked(text, found)
        return text

    @cached_property
    def _finders(self) -> Sequence[Finder]:
        own = {"phone": partial(phones, regions=self.phone_regions)}
        return [(name, own.get(name, DETECTORS[name])) for name in DETECTORS if name in self.mask]

    def _redacted(self, value: Any, drop: Sequence[str], hash_: Sequence[str], salt: bytes) -> Any:
        if isinstance(value, str):
            return self.text(value) if self.mask else value
        if isinstance(value, list):
            return self._redacted_list(value, drop, hash_, salt)
        if not isinstance(value, dict):
            return self._redacted_number(value)
        dropped, hashed = _by_key(value, drop), _by_key(value, hash_)
        kept: dict[str, Any] = {}
        for key, item in value.items():
            if "" in dropped[key]:
                continue
            name = _free(self.text(key), kept) if self.mask else key
            if "" in hashed[key]:
                kept[name] = _hashed(item, salt)
            else:
                kept[name] = self._redacted(item, dropped[key], hashed[key], salt)
        return kept

    def _redacted_list(
        self, items: list[Any], drop: Sequence[str], hash_: Sequence[str], salt: bytes
    ) -> list[Any]:
        """A path goes on into every element, or by its number into one."""
        kept = []
        for number, item in enumerate(items):
            dropped, hashed = _in_element(number, drop), _in_element(number, hash_)
            if "" not in dropped:
                found = _hashed(item, salt) if "" in hashed else self._redacted(item, dropped, hashed, salt)
                kept.append(found)
        return kept

    def _redacted_number(self, value: Any) -> Any:
        """A card or phone number may stand without quotes; masked, it becomes a text."""
        if not self.mask or not isinstance(value, int) or isinstance(value, bool):
            return value
        text = str(value)
        masked = self.text(text)
        return value if masked == text else masked


def _in_element(number: int, paths: Iterable[str]) -> list[str]:
    """The paths as they go on within an element of a list; "" where one ends there."""
    numbered = (path.partition(".") for path in paths)
    return [*paths, *(rest for head, _, rest in numbered if head == str(number))]


def _by_key(record: dict[str, Any], paths: Iterable[str]) -> dict[str, list[str]]:
    """What is left of each path inside its key, the longest that fits; "" where it ends there."""
    left: dict[str, list[str]] = {key: [] for key in record}
    for path in paths:
        key = path
        while key not in record and "." in key:
            key = key.rpartition(".")[0]
        if key in record:
            left[key].append(path[len(key) + 1 :])
    return left


def _free(key: str, taken: dict[str, Any]) -> str:
    """Two masked keys of one object must not become one, or a value would be lost."""
    if key not in taken:
        return key
    return next(other for n in count(2) if (other := f"{key} ({n})") not in taken)


def _hashed(value: Any, salt: bytes) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_hashed(item, salt) for item in value]
    digest = hmac.new(salt, canonical_json(value).encode(), hashlib.sha256).hexdigest()
    return f"hash:{digest[:HASH_HEX_DIGITS]}"


class _Plain(dict[int, str]):
    """Each character's ASCII reading, one for one so that offsets hold; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            plain = str(digit)
        elif category == "Pd" or character == "\N{MINUS SIGN}":
            plain = "-"
        elif category == "Zs":
            plain = " "
        else:
            plain = chr(code - 0xFEE0) if 0xFF01 <= code <= 0xFF5E else character
        self[code] = plain
        return plain


_PLAIN = _Plain()


def plain(text: str) -> str:
    """The text as detectors read it, equally long: ASCII digits and punctuation, JSON escapes blanked."""
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return text if text.isascii() else text.translate(_PLAIN)


def _unescaped(escape: re.Match[str]) -> str:
    letter = chr(int(escape[1], 16)) if escape[1] else "\n"
    return (letter if letter.isalpha() else "\n") * len(escape[0])


def _found(text: str, finders: Sequence[Finder]) -> list[tuple[Span, str]]:
    return [(span, name) for name, find in finders for span in find(text)]


def _joined(found: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """Overlapping finds as one, or digits would stay; named by the longest, then the earliest."""
    joined: list[tuple[Span, str]] = []
    longest = 0
    for (start, end), name in sorted(found):
        if joined and start < joined[-1][0][1]:
            (first, last), winner = joined[-1]
            if end - start > longest:
                winner, longest = name, end - start
            joined[-1] = (first, max(last, end)), winner
        else:
            joined.append(((start, end), name))
            longest = end - start
    return joined


def _masked(text: str, found: list[tuple[Span, str]]) -> str:
    parts, at = [], 0
    for (start, end), name in found:
        parts += [text[at:start], f"[{name}]"]
        at = end
    return "".join([*parts, text[at:]])
