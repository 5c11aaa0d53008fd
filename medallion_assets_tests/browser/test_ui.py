"""Laws of what a person sees in the browser: it is drawn, it works, and text is inert."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from medallion_assets_tests.browser.site import DAYS, HOSTILE, HOSTILE_DAY, MARK
from medallion_assets_tests.browser.ui import BACKFILL_MS, Ui
from medallion_assets_tests.instance import Instance, wait_for

GROUPS = {
    "bronze": ("alpaca", "chats"),
    "silver": ("alpaca_conformed", "chats_conformed", "sft_pairs", "profile"),
    "gold": ("packed", "plain"),
    "releases": ("v1",),
}
INERT = f"""() => ({{
  drawn: document.querySelectorAll('[{MARK}]').length,
  links: [...document.links].map(link => link.href).filter(to => /^(javascript|data|vbscript):/i.test(to)),
}})"""
NOTHING = {"drawn": 0, "links": []}
# A page with hostile text, and how many of the hostile texts are on it at least.
SHOWING = [
    ("bronze/alpaca", "checks", 1),
    ("bronze/chats", "checks", 1),
    ("bronze/alpaca", "partitions", len(HOSTILE)),
    ("bronze/chats", "partitions", len(HOSTILE)),
    ("silver/alpaca_conformed", "partitions", 0),
    ("silver/chats_conformed", "partitions", 0),
    ("silver/sft_pairs", "partitions", 0),
    ("silver/sft_pairs", "overview", 0),
    ("silver/profile", "partitions", 0),
]


@pytest.fixture(scope="module")
def backfill(browser: Browser, instance: Instance) -> str:
    """Launched first: the daemon takes its time, while the other tests look around."""
    page = browser.new_page()
    address = Ui(page, instance.url).materialize("gold/packed", f"[{DAYS[0]}...{DAYS[-1]}]")
    page.close()
    return address


def test_a_backfill_over_several_dates_is_launched_from_an_asset(ui: Ui, backfill: str) -> None:
    ui.open(backfill)
    expect(ui.page.get_by_text(f"{DAYS[0]}...{DAYS[-1]}")).to_be_visible()


def test_the_graph_draws_every_group_and_asset(ui: Ui) -> None:
    ui.open_graph()
    for group, assets in GROUPS.items():
        for name in (group, *assets):
            expect(ui.drawn(name)).to_be_visible()


def test_a_failed_check_is_seen_with_the_file_that_failed_it(ui: Ui) -> None:
    ui.open_check("bronze/chats", "readable_exports")
    expect(ui.page.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(ui.page.get_by_text(f"{HOSTILE_DAY}/broken {HOSTILE[1]}.json").first).to_be_visible()


def test_the_plots_of_a_partition_are_drawn(ui: Ui) -> None:
    for key, fewest in (("silver/sft_pairs", 1), ("silver/profile", 2)):
        ui.open_partition(key, HOSTILE_DAY)
        expect(ui.plots().nth(fewest - 1)).to_be_visible()
        widths = ui.widths_of_images()
        assert len(widths) >= fewest
        assert min(widths) > 0


def test_a_partition_is_materialized_from_the_dialog(ui: Ui) -> None:
    ui.wait_for_success(ui.materialize("gold/plain", DAYS[1]))
    ui.open_partition("gold/plain", DAYS[1])
    expect(ui.partitions("Materialized", 1)).to_be_visible()


def assert_inert(ui: Ui) -> None:
    assert ui.page.evaluate(INERT) == NOTHING
    assert (ui.watch.dialogs, ui.watch.strangers) == ([], [])


@pytest.mark.parametrize(("key", "view", "least"), SHOWING)
def test_hostile_text_is_text(ui: Ui, key: str, view: str, least: int) -> None:
    ui.open_asset(key, view, partition=HOSTILE_DAY, checkDetail="readable_exports")
    ui.wait_until_drawn()
    wait_for(lambda: hostile_texts(ui) >= least, seconds=30, what=f"{least} hostile texts in {key}")
    assert_inert(ui)


def hostile_texts(ui: Ui) -> int:
    texts = "\n".join(ui.texts())
    return sum(text in texts for text in HOSTILE)


def test_hostile_names_are_text_in_the_log_of_a_run(ui: Ui, instance: Instance) -> None:
    ui.open_run(oldest_run(instance), "taken")
    expect(ui.page.get_by_text(f"link {HOSTILE[0]}").first).to_be_visible()
    ui.texts()
    assert_inert(ui)


def oldest_run(instance: Instance) -> str:
    runs = instance.graphql("{ runsOrError { ... on Runs { results { runId } } } }")
    return str(runs["runsOrError"]["results"][-1]["runId"])


@pytest.mark.parametrize("text", [*HOSTILE[1:3], '<img src="http://127.0.0.1:9/x.png">'])
def test_text_that_is_not_inert_would_be_noticed(ui: Ui, text: str) -> None:
    ui.open_graph()
    ui.page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", text)
    ui.wait_until_drawn()
    with pytest.raises(AssertionError):
        assert_inert(ui)


def test_the_bar_is_full_after_the_backfill(ui: Ui, backfill: str) -> None:
    ui.open_asset("gold/packed", "partitions")
    expect(ui.partitions("Materialized", len(DAYS))).to_be_visible(timeout=BACKFILL_MS)
    expect(ui.partitions("Missing", 0)).to_be_visible()
