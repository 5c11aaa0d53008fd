"""Tokenizers: found by local folder or pinned hub revision, known by the hash of their files.

Belongs here: locating, identifying and loading. Does not: rendering (render.py) or encoding (encode.py).
Only tokenizer.json is loaded, by the compiled library: nothing in a tokenizer folder is ever executed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from medallion_assets.package.tokens.encode import Encode
from medallion_assets.package.tokens.encoders import Proofs, by_tokenizers, encoder, once_it_pays
from medallion_assets.package.tokens.vocabulary import Vocabulary, vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What decides ids and rendered text; anything else in the folder is not ours.
IDENTITY_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
SPECIAL_TOKEN_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "pad_token",
    "sep_token",
    "cls_token",
    "mask_token",
)


FolderState = tuple[tuple[str, int, int], ...]  # name, time of last change and size of each file


class TokenizerError(ValueError):
    """A tokenizer that can't be used, and what it lacks."""


@dataclass(frozen=True)
class TokenizerSpec:
    """A local folder, or a hub id with the revision that pins it."""

    source: Path | str
    revision: str | None = None

    def folder(self) -> Path:
        """Where the files are; those of a hub id are fetched on first use, and only those."""
        if isinstance(self.source, Path):
            return self.source
        return _fetched(self.source, self.revision)


@lru_cache(maxsize=64)
def _fetched(hub_id: str, revision: str | None) -> Path:
    """Once a process: each question would go over the network, and a day of history asks it twice."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(IDENTITY_FILES)))


@dataclass(frozen=True)
class LoadedTokenizer:
    core: Tokenizer
    chat_template: str
    special_tokens: dict[str, str]  # as templates name them: bos_token, eos_token, …
    control_tokens: tuple[str, ...]  # texts that encode to one special id wherever they stand
    identity: str
    proofs: Path | None  # where it is on record which library may encode for it

    @cached_property
    def encode(self) -> Encode:
        """Texts to ids, by the fastest library that is proven right for this tokenizer."""
        proofs = Proofs(self.identity, self.proofs)
        return once_it_pays(by_tokenizers(self.core), lambda: encoder(self.core, proofs))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary(self.core)


def identity(folder: Path) -> str:
    """SHA-256 of the files that decide what text becomes which ids."""
    return _identity(folder, _state(folder))


@lru_cache(maxsize=64)
def _identity(folder: Path, _state: FolderState) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def load(folder: Path, *, proofs: Path | None = None) -> LoadedTokenizer:
    """Loaded once for all partitions of a run, as long as the files stay as they are."""
    return _load(folder, _state(folder), proofs)


@lru_cache(maxsize=4)
def _load(folder: Path, state: FolderState, proofs: Path | None) -> LoadedTokenizer:
    core = _core(folder, state)
    settings = _settings(folder)
    special = {name: text for name in SPECIAL_TOKEN_NAMES if (text := _token_text(settings.get(name)))}
    control = (token.content for token in core.get_added_tokens_decoder().values() if token.special)
    return LoadedTokenizer(
        core,
        _chat_template(folder, settings),
        special,
        tuple(sorted(control)),
        _identity(folder, state),
        proofs,
    )


@lru_cache(maxsize=2)
def _core(folder: Path, _state: FolderState) -> Tokenizer:
    """By itself, since a large vocabulary takes half a second, and profiles need nothing else."""
    from tokenizers import Tokenizer

    core = Tokenizer.from_file(str(folder / "tokenizer.json"))
    core.no_padding()
    core.no_truncation()
    # Without special tokens to add, all it can do is trim spaces off the offsets that masks are placed by.
    core.post_processor = None
    return core


def _state(folder: Path) -> FolderState:
    return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    found = [folder / name for name in IDENTITY_FILES if (folder / name).is_file()]
    if folder / "tokenizer.json" not in found:
        raise TokenizerError(
            f"{folder} holds no tokenizer.json; save the tokenizer there with tokenizer.save_pretrained(...)"
        )
    return found


def _settings(folder: Path) -> dict[str, Any]:
    """As transformers reads them: special_tokens_map.json counts where the config lists no added tokens."""
    settings = _json(folder / "tokenizer_config.json")
    older = {} if "added_tokens_decoder" in settings else _json(folder / "special_tokens_map.json")
    return settings | {name: older[name] for name in SPECIAL_TOKEN_NAMES if name in older}


def _json(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}


def _chat_template(folder: Path, settings: dict[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):  # several named templates, as tool-use models ship them
        template = next((item["template"] for item in template if item["name"] == "default"), None)
    if not isinstance(template, str):
        raise TokenizerError(
            f"{folder} has no chat template: neither chat_template.jinja nor one in its config"
        )
    return template


def _token_text(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token
