"""Where the code of an asset is: the modules that do its work, its documentation, and both in the git remote.

Belongs here: which module does what, and what the checkout's git says. Does not: the stages themselves.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from medallion_assets.conform.evals import EvalStage
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.release.cut import Plan
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.roots import project_folder
from medallion_assets.stage import Stage

PACKAGE = Path(__file__).resolve().parent.parent
CODE_REFERENCES = "dagster/code_references"
GIT_SECONDS = 5
# By stage, the files that make its rows, the telling one first, and the page about it.
WHERE: dict[type, tuple[str, ...]] = {
    BronzeStage: ("extract/ingest.py", "extract/containers.py", "docs/sources.md"),
    ConformStage: ("conform/formats/{stage.format}.py", "conform/conform.py", "docs/sources.md"),
    EvalStage: ("conform/evals.py", "docs/sources.md"),
    EvalIndexStage: ("curate/decontaminate/rules.py", "curate/decontaminate/index.py", "docs/curation.md"),
    ContaminationStage: ("curate/decontaminate/match.py", "docs/curation.md"),
    UnitStage: ("curate/dedup.py", "curate/removals.py", "docs/curation.md"),
    DerivedStage: ("curate/harvest.py", "curate/derived.py", "docs/sources.md"),
    CurriculumStage: ("curate/curriculum.py", "docs/sources.md"),
    GoldStage: ("package/units/{stage.unit}.py", "package/choose/select.py", "docs/recipes.md"),
    ProfileStage: ("report/profile.py", "report/plots.py"),
    Plan: ("release/cut.py", "docs/releases.md"),
}


def code_references(made_by: Stage | Plan) -> dg.CodeReferencesMetadataValue:
    """As links that open an editor."""
    files = [name.format(stage=made_by) for name in WHERE[type(made_by)]]
    if isinstance(made_by, BronzeStage) and made_by.redaction:
        files.insert(0, "extract/redact.py")
    return links_to(files)


def links_to(files: Sequence[str]) -> dg.CodeReferencesMetadataValue:
    """To modules of this package, and to the documentation, which stays in the checkout."""
    return dg.CodeReferencesMetadataValue(
        code_references=[
            dg.LocalFileCodeReference(file_path=str(path), label=name)
            for name in files
            if (path := _place(name)).exists()
        ]
    )


def with_git_links(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Beside each local file, the same in the git remote, where the checkout follows a branch of one."""
    checkout = _git(PACKAGE, "rev-parse", "--show-toplevel")
    remote = remote_of(Path(checkout)) if checkout and PACKAGE.is_relative_to(checkout) else None
    if checkout is None or remote is None:
        return list(assets)
    url, branch = remote
    mapping = dg.AnchorBasedFilePathMapping(Path(checkout), "")
    linked = dg.link_code_references_to_git(assets, url, branch, mapping)
    return [_with_both(*pair) for pair in zip(assets, linked, strict=True)]  # type: ignore[arg-type]


def _with_both(local: dg.AssetsDefinition, linked: dg.AssetsDefinition) -> dg.AssetsDefinition:
    both = [reference for asset in (local, linked) for reference in _references(asset)]
    value = dg.CodeReferencesMetadataValue(code_references=both)
    return local.map_asset_specs(lambda spec: spec.merge_attributes(metadata={CODE_REFERENCES: value}))


def _references(asset: dg.AssetsDefinition) -> Iterator[dg.LocalFileCodeReference | dg.UrlCodeReference]:
    for metadata in asset.metadata_by_key.values():
        yield from metadata[CODE_REFERENCES].code_references


def _place(name: str) -> Path:
    return project_folder() / name if name.startswith("docs/") else PACKAGE / name


def remote_of(checkout: Path) -> tuple[str, str] | None:
    """The address for a browser and the branch, of what the checkout's branch follows."""
    followed = _git(checkout, "rev-parse", "--abbrev-ref", "@{upstream}")
    name, _, branch = (followed or "").partition("/")
    address = _git(checkout, "remote", "get-url", name) if branch else None
    url = browsable(address) if address else None
    return (url, branch) if url else None


def browsable(address: str) -> str | None:
    """The https address of a remote at GitHub or GitLab, without a user or a password that it may hold.

    Dagster links to no other hosts.
    """
    found = re.fullmatch(r"(?:\w+://)?(?:[^@/]*@)?([\w.-]+)(?::\d+)?[:/]+([\w./~-]+?)(?:\.git)?/?", address)
    if found is None or not re.search("github|gitlab", found[1]):
        return None
    return f"https://{found[1]}/{found[2]}"


def _git(folder: Path, *words: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *words],  # noqa: S607  # wherever the user has it
            cwd=folder,
            capture_output=True,
            check=True,
            text=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
