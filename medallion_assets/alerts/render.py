"""A message as a channel writes it: Slack's markup, JSON, a mail's text and HTML; each whole or short.

Belongs here: wording, order and escapes. Text from outside is made one inert line (text.py) and escaped for
where it goes. Does not: sending (channels.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import accumulate
from typing import Any
from urllib.parse import quote

from medallion_assets.alerts.digest import WHAT, is_grave, summary
from medallion_assets.alerts.happening import Severity
from medallion_assets.alerts.ledger import Item, News
from medallion_assets.alerts.outbox import Message
from medallion_assets.alerts.text import inert

MAX_TITLE = 160
MAX_REASON = 300
MAX_SPANS = 3
# Slack cuts texts beyond; a message of MAX_NAMED items of this size stays below.
MAX_SLACK = 12_000
PROJECT = "medallion_assets"
SHORT = "The message in full was refused by the receiver; the UI has it all."
MARKS = {
    News.FAILED: ":red_circle:",
    News.REMINDER: ":large_orange_circle:",
    News.OVER: ":large_green_circle:",
}
WARNING_MARK = ":large_yellow_circle:"


def headline(message: Message) -> str:
    """Made of our own words alone, so that it may stand in a header."""
    return f"{PROJECT}: {summary(message.digest)}"


def slack(message: Message, ui: str) -> dict[str, Any]:
    """`text` alone, which every receiver of Slack's webhooks understands."""
    runs = _slack_link(ui, "/runs", "runs")
    if message.short:
        lines = [f"{SHORT} {runs}"]
    else:
        items = [_slack_item(item, ui) for item in message.digest.named]
        lines = [*_fitting(items, runs), *(f"{more} {runs}" for more in _more(message))]
    text = "\n".join([f"*{headline(message)}*", *lines, f"_message {message.id}_"])
    return {"text": text, "mrkdwn": True, "unfurl_links": False, "unfurl_media": False}


def webhook(message: Message, ui: str) -> dict[str, Any]:
    """For machines: everything by name. A receiver that has seen `id` before may drop it."""
    return {
        "id": message.id,
        "project": PROJECT,
        "summary": headline(message),
        "severity": Severity.ERROR if is_grave(message.digest) else Severity.WARNING,
        "alerts": [] if message.short else [_json_item(item, ui) for item in message.digest.named],
        "more": dict(message.digest.counts),
        **({"shortened": SHORT} if message.short else {}),
        "ui": ui,
    }


def mail_text(message: Message, ui: str) -> str:
    if message.short:
        return "\n".join([headline(message), "", SHORT, address(ui, "/runs")]) + "\n"
    blocks = [_mail_item(item, ui) for item in message.digest.named]
    more = [f"{line} {address(ui, '/runs')}" for line in _more(message)]
    return "\n\n".join([headline(message), *blocks, *more, f"Message {message.id}"]) + "\n"


def mail_html(message: Message, ui: str) -> str:
    if message.short:
        body = f"<p>{escape(SHORT)} {_html_link(ui, '/runs', 'Runs')}</p>"
    else:
        items = "".join(f"<li>{_html_item(item, ui)}</li>" for item in message.digest.named)
        more = "".join(f"<p>{escape(line)} {_html_link(ui, '/runs', 'Runs')}</p>" for line in _more(message))
        body = f"<ul>{items}</ul>{more}"
    return f"<html><body><h3>{escape(headline(message))}</h3>{body}<p>Message {message.id}</p></body></html>"


def address(ui: str, link: str) -> str:
    """A page of the UI; what of a link came from outside can't leave it."""
    return ui.rstrip("/") + quote(link, safe="/?=&:%", errors="replace")


def label(item: Item) -> str:
    """What kind of news it is: "Failed check (warning)", "Recovered"."""
    if item.news is News.OVER:
        return "Recovered"
    words = WHAT[item.subject.kind][0]
    still = "Still: " if item.news is News.REMINDER else ""
    severity = " (warning)" if item.trouble.severity is Severity.WARNING else ""
    text = f"{still}{words}{severity}"
    return text[0].upper() + text[1:]


def _slack_item(item: Item, ui: str) -> str:
    """Text from outside stands in code, where nothing is markup, and never holds the sign that ends it."""
    warning = item.news is News.FAILED and item.trouble.severity is Severity.WARNING
    mark = WARNING_MARK if warning else MARKS[item.news]
    parts = [f"{mark} {label(item)}: {_slack_link(ui, item.subject.link, _title(item))}"]
    parts += [f"`{_slack_escape(text)}`" for text in _details(item)]
    parts += [_slack_link(ui, link, "run") for link in filter(None, [item.link])]
    return " ".join(parts)


def _fitting(lines: Sequence[str], runs: str) -> list[str]:
    """Whole lines, as many as fit: half a link would swallow what follows it."""
    ends = list(accumulate(len(line) + 1 for line in lines))
    fitting = sum(end <= MAX_SLACK for end in ends)
    left = len(lines) - fitting
    return [*lines[:fitting], *([f"{left} more do not fit in here: {runs}"] if left else [])]


def _slack_link(ui: str, link: str, text: str) -> str:
    return f"<{_slack_escape(address(ui, link))}|{_slack_escape(text)}>"


def _slack_escape(text: str) -> str:
    plain = text.replace("`", "'").replace("|", "¦")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _json_item(item: Item, ui: str) -> dict[str, Any]:
    return {
        "news": item.news,
        "kind": item.subject.kind,
        "severity": item.trouble.severity,
        "subject": _title(item),
        "key": inert(item.subject.key, MAX_REASON),
        "reason": inert(item.trouble.reason, MAX_REASON),
        "partitions": _partitions(item),
        "since": _time(item.since),
        "at": _time(item.at),
        "page": address(ui, item.subject.link),
        "run": address(ui, item.link) if item.link else None,
    }


def _mail_item(item: Item, ui: str) -> str:
    links = [address(ui, link) for link in filter(None, [item.subject.link, item.link])]
    return "\n  ".join([f"{label(item)}: {_title(item)}", *_details(item), *links])


def _html_item(item: Item, ui: str) -> str:
    title = _html_link(ui, item.subject.link, _title(item))
    details = "".join(f"<br>{escape(text)}" for text in _details(item))
    run = f"<br>{_html_link(ui, item.link, 'Run')}" if item.link else ""
    return f"{escape(label(item))}: {title}{details}{run}"


def _html_link(ui: str, link: str, text: str) -> str:
    return f'<a href="{escape(address(ui, link))}">{escape(text)}</a>'


def _title(item: Item) -> str:
    return inert(item.subject.title, MAX_TITLE)


def _details(item: Item) -> Iterator[str]:
    if item.news is News.OVER:
        yield f"failed since {_time(item.since)}"
        return
    yield inert(item.trouble.reason, MAX_REASON) or "no reason was given"
    if shown := _partitions(item):
        yield shown
    if item.news is News.REMINDER:
        yield f"since {_time(item.since)}"


def _partitions(item: Item) -> str:
    shown = [span.shown for span in item.spans if span.shown]
    more = f" and {len(shown) - MAX_SPANS} more" if len(shown) > MAX_SPANS else ""
    return inert(", ".join(shown[:MAX_SPANS]), MAX_TITLE) + more


def _more(message: Message) -> list[str]:
    digest = message.digest
    listed = ", ".join(f"{count:,} {name}" for name, count in digest.counts.items())
    return [f"And {digest.unnamed:,} more ({listed})."] if digest.unnamed else []


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
