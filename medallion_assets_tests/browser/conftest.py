"""One instance, one browser and one prepared store for a module of browser tests; a page for each.

Of a module and no longer: while Playwright is at work its event loop runs, and nothing else can run one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from medallion_assets_tests.browser.site import prepare
from medallion_assets_tests.browser.ui import BROWSERS, Ui, find_browser
from medallion_assets_tests.instance import Instance, make_home, running_instance

WIDTH, HEIGHT = 1600, 1000


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find_browser()
    if path is None:
        pytest.skip(f"no browser to test with: none of {', '.join(BROWSERS)} is installed")
    return path


@pytest.fixture(scope="module")
def instance(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Asks for the path of a browser, so that nothing is prepared where there is none."""
    folder = tmp_path_factory.mktemp("browser")
    home = make_home(folder / "home")
    roots = {"MEDALLION_DATA": str(folder / "data"), "MEDALLION_LANDING": str(folder / "landing")}
    with running_instance(home, prepare(folder, home), environment=roots) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str, instance: Instance) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def ui(browser: Browser, instance: Instance) -> Iterator[Ui]:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    yield Ui(page, instance.url)
    page.close()
