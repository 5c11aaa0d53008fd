"""Redaction of a sensitive source's records, before anything of them is stored.

Belongs here: dropping and hashing fields, masking what the detectors find, the salt. Does not: how a text is
read (plain.py), what counts as personal data (detectors.py) or which source asks for what (config/).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any

import msgspec

from medallion_assets.extract.phones import PHONE_REGIONS, Span, phones
from medallion_assets.extract.plain import plain
from medallion_assets.records import Rejected, canonical_json, strict_json

SALT_VARIABLE = "MEDALLION_REDACTION_SALT"
MIN_SALT_BYTES = 16
# What spreadsheets make of a number in a column that has gaps.
WHOLE_FLOAT = re.compile(r"([0-9]{7,})\.0+", re.ASCII)
HASH_HEX_DIGITS = 32
MAX_EXACT_FLOAT = 2**53  # beyond, not every digit is the number's own
# How Parquet's binary columns come.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

# Every detector needs one of these; most strings of most records have none.
_HINT = re.compile(r"[@\uff20\d]|::")

Finder = tuple[str, Callable[[str], Iterator[Span]]]


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
    """What of a source's records is not stored. Dotted paths go into a list, all of it or one by number."""

    drop: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    phone_regions: tuple[str, ...] = PHONE_REGIONS

    def __post_init__(self) -> None:
        known = _detectors() if self.mask else {}
        if unknown := [name for name in self.mask if name not in known]:
            raise ValueError(f"mask has {unknown}, expected of {sorted(known)}")

    def record(self, value: Any, salt: bytes) -> Any:
        """The JSON value without dropped fields, with hashed ones, and every other text and key masked."""
        return self._redacted(value, self.drop, self.hash, salt)

    def text(self, text: str) -> str:
        return self._without_finds(text, read=plain)

    def name(self, name: str) -> str:
        """A part of a path, in which underscores are spaces too."""
        return self._without_finds(self.text(name), read=lambda text: plain(text).replace("_", " "))

    def _without_finds(self, text: str, *, read: Callable[[str], str]) -> str:
        """Until nothing is found, since what is left of a number can be one by itself."""
        while _HINT.search(text) and (found := _joined(_found(read(text), self._finders))):
            text = _masked(text, found)
        return text

    @cached_property
    def _finders(self) -> Sequence[Finder]:
        own = {"phone": partial(phones, regions=self.phone_regions)}
        return [(name, own.get(name, find)) for name, find in _detectors().items() if name in self.mask]

    def _redacted(self, value: Any, drop: Sequence[str], hash_: Sequence[str], salt: bytes) -> Any:
        if isinstance(value, str):
            return self._redacted_text(value, drop, hash_, salt)
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

    def _redacted_text(self, text: str, drop: Sequence[str], hash_: Sequence[str], salt: bytes) -> str:
        """A path goes on into JSON within a text, as cells of CSV and Parquet hold it."""
        if (drop or hash_) and (inner := _json_within(text)) is not None:
            redacted = self._redacted(inner, drop, hash_, salt)
            if redacted != inner:
                return msgspec.json.encode(redacted).decode()
        if self.mask and (inner := _text_within(text)) is not None and (masked := self.text(inner)) != inner:
            return base64.b64encode(masked.encode()).decode()
        if (whole := WHOLE_FLOAT.fullmatch(text)) and (masked := self.text(whole[1])) != whole[1]:
            return masked
        return self.text(text)

    def _redacted_number(self, value: Any) -> Any:
        """A card or phone number may lack quotes, and be a float where others of its column are missing."""
        is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_FLOAT
        if not self.mask or isinstance(value, bool) or not (isinstance(value, int) or is_whole):
            return value
        text = str(int(value))
        masked = self.text(text)
        return value if masked == text else masked


def _detectors() -> Mapping[str, Callable[[str], Iterator[Span]]]:
    """Imported late: their patterns take long to compile, and most pipelines redact nothing."""
    from medallion_assets.extract.detectors import DETECTORS

    return DETECTORS


def _json_within(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return strict_json(text)
    except Rejected:
        return None


def _text_within(text: str) -> str | None:
    if not _BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode(text).decode()
    except UnicodeDecodeError:
        return None


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
