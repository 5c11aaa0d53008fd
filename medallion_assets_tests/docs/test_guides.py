"""The guides of docs/ are true: their code runs, their commands, links and files exist."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from medallion_assets.config.file import check
from medallion_assets.conform import formats
from medallion_assets.roots import project_folder

DOCS = project_folder() / "docs"
PAGES = [project_folder() / "README.md", *sorted(DOCS.glob("*.md"))]
FORMAT, TEST = re.findall(r"```python\n(.*?)```", (DOCS / "write_a_format.md").read_text(), flags=re.DOTALL)


def _loaded(name: str, source: str, folder: Path) -> ModuleType:
    path = folder / f"{name.rpartition('.')[2]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def forum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = f"{formats.__name__}.forum"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = _loaded(name, FORMAT, tmp_path)
    monkeypatch.setattr(formats, "forum", module, raising=False)
    return module


def test_the_example_of_a_format_passes_its_own_test(forum: ModuleType, tmp_path: Path) -> None:
    tests = _loaded("test_forum", TEST, tmp_path)
    tests.test_the_answer_with_most_votes_counts()


def test_the_example_of_a_format_rejects_with_reasons(forum: ModuleType) -> None:
    from medallion_assets.records import Rejected
    from medallion_assets_tests.conform.rows import HERE

    question = {"question": {"title": "Q"}}
    faults = [[], question, {**question, "answers": []}, {**question, "answers": [{"votes": 1}]}]
    reasons = []
    for fault in faults:
        with pytest.raises(Rejected) as caught:
            forum.conform(fault, HERE)
        reasons.append(caught.value.reason)
    assert reasons == ["wrong_type", "missing_field", "no_answer", "missing_field"]


def test_the_first_own_source_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "first_hour.md").read_text(), flags=re.DOTALL)
    assert check({"start_date": "2024-09-01", **yaml.safe_load(block)}).sources[0].name == "vendor"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)", text)
    broken = [link for link, _ in links if link and not (page.parent / link).exists()]
    assert broken == []
    for link, anchor in links:
        if anchor:
            target = (page.parent / link if link else page).read_text()
            headings = re.findall(r"^#+ (.*)$", target, flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]
