"""Dagster's pages as the tests speak of them: the one place that knows their addresses, labels and elements.

Belongs here: what a person sees and clicks. Does not: what should be there (test_ui.py).
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from playwright.sync_api import Dialog, Locator, Page, Request, expect
from playwright.sync_api import TimeoutError as TimedOut

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A run takes as long as it takes on a busy machine, and the daemon looks for backfills each half minute.
LOADED_MS, RUN_MS, BACKFILL_MS, QUIET_MS = 30_000, 240_000, 240_000, 10_000
GRAPH_EXPANDED = "Alt+KeyE"
SHOWN_ON_DEMAND = re.compile(r"^(\[Show .*\]|View full message)$")
# Dagster's pages never stop asking for news, so that no silence of the network says that they are drawn.
LOOK_MS = 250
DRAWN = """() => {
  const elements = document.querySelectorAll('*').length;
  const waits = document.querySelector('[class*=Spinner_spinner], [class*=Skeleton_skeleton]') !== null;
  window.looks = elements === window.elements ? (window.looks || 0) + 1 : 0;
  window.elements = elements;
  return window.looks >= (waits ? 40 : 4);
}"""
IMAGES_LOADED = "[...document.images].every(image => image.complete)"
IMAGE_WIDTHS = "[...document.images].map(image => image.naturalWidth)"
PARTITIONS = "input[type=text]"  # before all others, where there are any
DIALOG = ".bp5-dialog"
SVG_IMAGE = "img[src^='data:image/svg+xml']"


def find_browser() -> str | None:
    """Where the machine has one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass
class Watch:
    """What a page did that it should not: open dialogs, and ask for addresses other than the instance's."""

    home: str
    dialogs: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def begin(self, page: Page) -> None:
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        with suppress(Exception):  # the page may be gone already
            dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.strangers.append(request.url)


class Ui:
    """A browser's page on a running instance."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.watch = Watch(url)
        self.watch.begin(page)
        page.set_default_timeout(LOADED_MS)
        expect.set_options(timeout=LOADED_MS)

    def open(self, path: str, **parameters: str) -> None:
        self.page.goto(f"{self.url}{path}?{urlencode(parameters)}")

    def wait_until_drawn(self) -> None:
        """Until nothing has come or gone for a second; for ten while something there shows that it waits."""
        self.page.wait_for_function(DRAWN, polling=LOOK_MS)

    # The graph of all assets

    def open_graph(self, selection: str = "") -> None:
        """With all groups open; of all assets, or of a selection."""
        self.open(f"/asset-groups~{quote(selection, safe='')}/" if selection else "/asset-groups")
        expect(self.page.locator("foreignObject").first).to_be_visible()
        self.page.keyboard.press(GRAPH_EXPANDED)

    def zoom_out(self, steps: int) -> None:
        for _ in range(steps):
            self.page.get_by_role("img", name="zoom_out").first.click()

    def drawn(self, name: str) -> Locator:
        """A group or an asset in the graph."""
        return self.page.locator("foreignObject").get_by_text(name, exact=True).first

    def picture(self, file: Path) -> Path:
        """Of what is open, once it is drawn."""
        with suppress(TimedOut):  # the colours of a graph come last, and change no element
            self.page.wait_for_load_state("networkidle", timeout=QUIET_MS)
        self.wait_until_drawn()
        self.page.wait_for_function(IMAGES_LOADED)
        self.page.screenshot(path=file, animations="disabled")
        return file

    # An asset

    def open_asset(self, key: str, view: str = "overview", **parameters: str) -> None:
        self.open(f"/assets/{key}", view=view, **parameters)
        name = key.rpartition("/")[2]
        expect(self.page.get_by_text(name, exact=True).first).to_be_visible()

    def open_check(self, key: str, check: str) -> None:
        self.open_asset(key, "checks", checkDetail=check)

    def open_partition(self, key: str, partition: str) -> None:
        self.open_asset(key, "partitions", partition=partition)
        expect(self.page.get_by_text("Latest materialization").first).to_be_visible()

    def partitions(self, status: str, count: int) -> Locator:
        """What the partitions page says of how many there are, as "Materialized (3)"."""
        return self.page.get_by_text(f"{status} ({count})", exact=True).first

    def choose_partitions(self, partitions: str) -> None:
        """On the partitions page: only these are listed."""
        chosen = self.page.locator(PARTITIONS).first
        chosen.fill(partitions)
        chosen.press("Enter")
        chosen.blur()

    def plots(self) -> Locator:
        return self.page.locator(SVG_IMAGE)

    def widths_of_images(self) -> list[int]:
        """Of each image on the page in pixels; 0 for one that was not decoded."""
        self.page.wait_for_function(IMAGES_LOADED)
        return [int(width) for width in self.page.evaluate(IMAGE_WIDTHS)]

    def texts(self) -> list[str]:
        """What the page shows, then what it shows on demand, each opened and closed again."""
        found = [self.page.locator("body").inner_text()]
        shown = self.page.locator("a, button").filter(has_text=SHOWN_ON_DEMAND)
        for place in range(shown.count()):
            shown.nth(place).dispatch_event("click")  # not where it is: overlays cover some
            dialog = self.page.locator(DIALOG)
            expect(dialog).to_be_visible()
            found.append(dialog.inner_text())
            self.page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        return found

    # Launching

    def materialize(self, key: str, partitions: str) -> str:
        """From an asset's own page, through the dialog; where the run or the backfill shows."""
        self.open_asset(key, "partitions")
        self.page.get_by_role("button", name="Materialize").first.click()
        dialog = self.page.locator(DIALOG).last
        chosen = dialog.locator(PARTITIONS).first
        chosen.fill(partitions)
        chosen.press("Enter")
        launch = dialog.get_by_role("button", name=re.compile("^Launch"))
        expect(launch).to_be_enabled()
        launch.click()
        link = self.page.get_by_role("link", name="View", exact=True)
        return str(link.first.get_attribute("href"))

    def open_run(self, run_id: str, word: str = "") -> None:
        """With its events, or those that have this word."""
        self.open(f"/runs/{run_id}", logs=word)

    def wait_for_success(self, run: str) -> None:
        """On a run's page, until its status says so: of many events, the log draws only some."""
        self.open(run)
        succeeded = self.page.get_by_text("Success", exact=True).first
        expect(succeeded).to_be_visible(timeout=RUN_MS)
