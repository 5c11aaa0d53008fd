"""Tokenizers: known by what their files hold, found in a folder or in the hub's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medallion_assets.package.tokens.tokenizer import TokenizerError, identity, load
from medallion_assets.roots import project_folder

CHATML = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(CHATML, tmp_path / "tokenizer")


def test_a_copy_elsewhere_is_the_same_tokenizer(folder: Path) -> None:
    assert identity(folder) == identity(CHATML)


@pytest.mark.parametrize("name", sorted(path.name for path in CHATML.iterdir()))
def test_any_changed_file_makes_another_tokenizer(name: str, folder: Path) -> None:
    before = identity(folder)
    (folder / name).write_text((folder / name).read_text() + "\n")
    assert identity(folder) != before


def test_files_that_decide_nothing_do_not_count(folder: Path) -> None:
    before = identity(folder)
    (folder / "README.md").write_text("about this tokenizer")
    assert identity(folder) == before


def test_a_folder_without_a_tokenizer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json; save the tokenizer there"):
        load(tmp_path)


def test_a_tokenizer_without_a_template_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(TokenizerError, match="has no chat template"):
        load(folder)


def test_a_hub_id_with_its_revision_is_read_from_the_hubs_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT
    shutil.copytree(CHATML, snapshot)
    script = (
        "from medallion_assets.package.tokens.tokenizer import TokenizerSpec, identity\n"
        f"print(identity(TokenizerSpec('some/model', {COMMIT!r}).folder()))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == identity(CHATML)
