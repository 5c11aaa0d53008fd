"""Messages as channels write them: bounded, and inert whatever they are made of."""

from __future__ import annotations

import json
import re
from email import message_from_bytes, policy
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.alerts import render
from medallion_assets.alerts.channels import MailChannel, MailServer
from medallion_assets.alerts.digest import gathered
from medallion_assets.alerts.happening import Happening, Kind, Severity, Subject, Trouble
from medallion_assets.alerts.outbox import Message
from medallion_assets.alerts.text import inert
from medallion_assets_tests.alerts.items import NOW, UI, failure, message, news_of, success

HOSTILE = [
    "<!channel> <@U123> <https://evil.example|click>",
    "`*bold*` ```code``` _i_ ~s~ | & &lt;",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a\r\nBcc: victim@example.org\r\n\r\nbody",
    "\u202egnp.exe\u2066 \u2028 \x00\x1b[31m \ud800",
    "&" * 5000,
]
MAIL = MailChannel("mail", UI, MailServer("127.0.0.1", 25, "none"), "us@example.org", ("you@example.org",))
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=400))


def told(text: str) -> Message:
    """A message in which everything that may come from outside is this text."""
    subject = Subject(Kind.RUN, f"run:{text}", text, f"/assets/{text[:100]}")
    happening = Happening(
        subject, NOW, trouble=Trouble(Severity.ERROR, text, "f"), link=f"/runs/{text[:100]}"
    )
    return Message("0123456789abcdef", gathered(None, news_of(happening), now=NOW))


def test_a_slack_message() -> None:
    days = [f"2024-09-0{n}" for n in range(1, 6)]
    news = message(
        failure("a", days=days), failure("w", reason="0.4 > 0.2", warn=True), failure("b"), success("b")
    )
    assert render.slack(news, UI)["text"].splitlines() == [
        "*medallion_assets: 2 failed checks, 1 recovered*",
        f":red_circle: Failed check: <{UI}/assets/x|bronze/a: conservation> `2 lost` "
        f"`2024-09-01, 2024-09-02, 2024-09-03 and 2 more` <{UI}/runs/1|run>",
        f":large_yellow_circle: Failed check (warning): <{UI}/assets/x|bronze/w: conservation> "
        f"`0.4 &gt; 0.2` <{UI}/runs/1|run>",
        f":large_green_circle: Recovered: <{UI}/assets/x|bronze/b: conservation> "
        "`failed since 2027-01-15 08:00 UTC`",
        "_message 0123456789abcdef_",
    ]


def test_a_message_for_machines() -> None:
    assert render.webhook(message(failure("a", days=["2024-09-01"])), UI) == {
        "id": "0123456789abcdef",
        "project": "medallion_assets",
        "summary": "medallion_assets: 1 failed check",
        "severity": "error",
        "alerts": [
            {
                "news": "failed",
                "kind": "check",
                "severity": "error",
                "subject": "bronze/a: conservation",
                "key": "check:bronze/a:conservation",
                "reason": "2 lost",
                "partitions": "2024-09-01",
                "since": "2027-01-15 08:00 UTC",
                "at": "2027-01-15 08:00 UTC",
                "page": f"{UI}/assets/x",
                "run": f"{UI}/runs/1",
            }
        ],
        "more": {},
        "ui": UI,
    }


def test_a_thousand_failures_are_one_bounded_message() -> None:
    burst = message(*(failure(f"n{n}", reason="x" * 5000) for n in range(1000)))
    assert "And 980 more (980 failed check)." in render.slack(burst, UI)["text"]
    assert len(json.dumps(render.slack(burst, UI))) < 15_000
    assert len(json.dumps(render.webhook(burst, UI))) < 30_000
    assert len(MAIL.mail(burst).as_bytes()) < 60_000


def test_a_short_message_holds_nothing_from_outside() -> None:
    short = Message("0123456789abcdef", told(HOSTILE[0]).digest, short=True)
    for text in (str(render.slack(short, UI)), str(render.webhook(short, UI)), str(MAIL.mail(short))):
        assert "channel" not in text
        assert render.SHORT in re.sub(r"=?\n", "", text)


@given(texts)
def test_slack_sees_no_markup_in_what_comes_from_outside(text: str) -> None:
    shown = render.slack(told(text), UI)["text"]
    assert len(shown) <= render.MAX_SLACK + 1000
    _, item, *_ = shown.split("\n")
    assert shown.count("\n") == 2
    links = re.findall(r"<([^<>|]*)\|([^<>|]*)>", item)
    assert re.sub(r"<[^<>|]*\|[^<>|]*>", "", item).count("<") == 0
    assert len(links) == item.count("<") == item.count(">")
    assert all(address.startswith(f"{UI}/") for address, _ in links)
    outside = re.sub(r"<[^<>|]*\|[^<>|]*>|`[^`]*`", "", item)
    assert outside.strip() == ":red_circle: Failed run:"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@given(texts)
def test_mail_has_our_tags_and_headers_alone(text: str) -> None:
    received = message_from_bytes(MAIL.mail(told(text)).as_bytes(), policy=policy.default)
    assert set(received.keys()) == {
        "Subject", "From", "To", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"
    }  # fmt: skip
    html = received.get_body(("html",)).get_content()  # type: ignore[union-attr]
    tags = Tags(html).found
    assert [tag for tag, _ in tags] == ["html", "body", "h3", "ul", "li", "a", "br", "br", "a", "p"]
    links = [value for tag, attrs in tags for name, value in attrs]
    assert all(value and value.startswith(f"{UI}/") for value in links)


@given(st.text(st.characters(), max_size=900), st.integers(2, 300))
def test_inert_text_is_one_bounded_line(text: str, limit: int) -> None:
    line = inert(text, limit)
    assert len(line) <= limit
    assert line.isprintable() or not line.strip()
    line.encode()
