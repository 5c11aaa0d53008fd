"""Links to code lead to the branch that a checkout follows, and never hold a secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.assets import code_links
from medallion_assets.assets.code_links import CODE_REFERENCES, browsable, remote_of, with_git_links
from medallion_assets.roots import project_folder

FORGE = "https://github.com/team/data"
secrets = st.text(st.characters(categories=["L", "N"]), min_size=8, max_size=20)


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/team/data.git",
        "https://github.com/team/data/",
        "https://someone:secret@github.com/team/data.git",
        "git@github.com:team/data.git",
        "ssh://git@github.com:22/team/data.git",
    ],
)
def test_every_way_to_name_a_remote_leads_to_its_page(address: str) -> None:
    assert browsable(address) == FORGE


@pytest.mark.parametrize(
    "address",
    ["/srv/data.git", "../data", "https://example.com/team/data", Path("/srv/data.git").as_uri(), ""],
)
def test_other_remotes_have_no_page(address: str) -> None:
    assert browsable(address) is None


@given(secrets, secrets, st.sampled_from(["https://", "http://", "ssh://", ""]))
def test_credentials_never_show(user: str, password: str, scheme: str) -> None:
    found = browsable(f"{scheme}{user}:{password}@gitlab.com/team/data.git")
    assert found in (None, "https://gitlab.com/team/data")


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_branch_without_a_remote_is_linked_nowhere_and_one_that_follows_is(tmp_path: Path) -> None:
    git(tmp_path, "init", "--initial-branch", "work")
    git(tmp_path, "commit", "--allow-empty", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "git@github.com:team/data.git")
    assert remote_of(tmp_path) is None
    git(tmp_path, "update-ref", "refs/remotes/origin/feature/x", "HEAD")
    git(tmp_path, "branch", "--set-upstream-to", "origin/feature/x")
    assert remote_of(tmp_path) == (FORGE, "feature/x")


def test_a_folder_that_is_no_checkout_is_linked_nowhere(tmp_path: Path) -> None:
    assert remote_of(tmp_path) is None


def test_beside_the_file_there_is_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (project_folder() / ".git").exists():
        pytest.skip("this is no checkout")
    monkeypatch.setattr(code_links, "remote_of", lambda checkout: (FORGE, "main"))
    path = project_folder() / "medallion_assets/conform/conform.py"
    local = dg.LocalFileCodeReference(file_path=str(path), label="conform.py")
    references = dg.CodeReferencesMetadataValue(code_references=[local])
    asset = dg.asset(name="a", metadata={CODE_REFERENCES: references})(lambda: None)
    [linked] = with_git_links([asset])
    url = f"{FORGE}/tree/main/medallion_assets/conform/conform.py"
    found = linked.metadata_by_key[asset.key][CODE_REFERENCES].code_references
    assert found == [local, dg.UrlCodeReference(url=url, label="conform.py")]
