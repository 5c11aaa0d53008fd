"""`make screenshots`: the pictures of docs/images, taken of the sample data in an instance of their own.

Belongs here: which pages are shown, and how large. Does not: the pages themselves (ui.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

from medallion_assets.demo.__main__ import RECIPE, RELEASE
from medallion_assets.demo.exports import DAYS
from medallion_assets.roots import project_folder
from medallion_assets_tests.browser.ui import Ui, find_browser
from medallion_assets_tests.instance import Instance, make_home, running_instance

FOLDER = project_folder() / "docs" / "images"
# Pages show where data lies, so it is the same place each time.
PLACE = Path(tempfile.gettempdir()) / "medallion"
MAX_BYTES = 200_000
RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"


@dataclass(frozen=True)
class Picture:
    """A page once `open` has been to it, at this size in pixels."""

    name: str
    open: Callable[[Ui, Instance], None]
    width: int = 1400
    height: int = 900


def _graph(ui: Ui, _: Instance) -> None:
    ui.open_graph(f'+key:"releases/{RELEASE}"')
    ui.zoom_out(1)


def _lineage(ui: Ui, _: Instance) -> None:
    ui.open_graph(f'+key:"gold/{RECIPE}"')
    ui.zoom_out(1)


def _partitions(ui: Ui, _: Instance) -> None:
    ui.open_asset(f"gold/{RECIPE}", "partitions", partition=DAYS[-1])
    ui.choose_partitions(f"[{DAYS[0]}...{DAYS[-1]}]")


def _plots(ui: Ui, _: Instance) -> None:
    ui.open_partition("silver/profile", DAYS[1])
    ui.choose_partitions(f"[{DAYS[0]}...{DAYS[-1]}]")
    ui.wait_until_drawn()
    ui.plots().first.scroll_into_view_if_needed()


def _run(ui: Ui, instance: Instance) -> None:
    """The first one, of the whole graph."""
    ui.open_run(instance.graphql(RUNS)["runsOrError"]["results"][-1]["runId"])


PICTURES = (
    Picture("graph", _graph, width=1800, height=1200),
    Picture("lineage", _lineage, width=1800, height=1000),
    Picture("asset", lambda ui, _: ui.open_asset("silver/sft_pairs")),
    Picture("plots", _plots, height=1200),
    Picture("partitions", _partitions),
    Picture("checks", lambda ui, _: ui.open_check("bronze/sharegpt", "readable_exports")),
    Picture("run", _run),
    Picture("automation", lambda ui, _: ui.open("/automation")),
    Picture("release", lambda ui, _: ui.open_asset(f"releases/{RELEASE}")),
)


def main(names: list[str]) -> int:
    """Those of these names, or all; fails where one has become too large to keep."""
    browser_path = find_browser()
    if browser_path is None:
        print("no browser to take pictures with; install chromium", file=sys.stderr)
        return 1
    chosen = [picture for picture in PICTURES if picture.name in (names or [picture.name])]
    PLACE.mkdir()
    try:
        taken = _take(chosen, PLACE, browser_path)
    finally:
        shutil.rmtree(PLACE)
    too_large = [path for path in taken if path.stat().st_size > MAX_BYTES]
    for path in taken:
        print(f"{path.relative_to(project_folder())}  {path.stat().st_size / 1000:.0f} kB")
    return 1 if too_large else 0


def _take(pictures: list[Picture], folder: Path, browser_path: str) -> list[Path]:
    home = make_home(folder / "home")
    environment = {"MEDALLION_DATA": str(folder / "data"), "DAGSTER_HOME": str(home)}
    # At home, since Dagster prefers the .env of the folder it is started in to its environment.
    demo = [sys.executable, "-m", "medallion_assets.demo"]
    subprocess.run(demo, cwd=home, env={**os.environ, **environment}, check=True)
    FOLDER.mkdir(exist_ok=True)
    workspace = project_folder() / "workspace.yaml"
    with (
        running_instance(home, workspace, environment=environment) as instance,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path)
        taken = []
        for picture in pictures:
            page = browser.new_page(viewport={"width": picture.width, "height": picture.height})
            ui = Ui(page, instance.url)
            picture.open(ui, instance)
            taken.append(ui.picture(FOLDER / f"{picture.name}.png"))
            page.close()
        browser.close()
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
