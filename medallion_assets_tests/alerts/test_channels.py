"""Sending to real servers, and what their outages come to; no secret is ever said."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from medallion_assets.alerts import render
from medallion_assets.alerts.channels import Channel, HttpChannel, MailChannel, MailServer
from medallion_assets.alerts.delivery import delivered
from medallion_assets.alerts.outbox import Message, Outcome, Result
from medallion_assets_tests.alerts.items import UI, failure, message
from medallion_assets_tests.alerts.receivers import (
    SECRET_PATH,
    Mailbox,
    Receiver,
    certificate,
    free_port,
    http_receiver,
    mail_server,
)

PASSWORD = "pass-w0rd-s3cr3t"
MESSAGE = message(failure())
SLACK = HttpChannel("team", UI, "TEAM_URL", render.slack, timeout=5)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "*")
    with http_receiver() as receiver:
        monkeypatch.setenv("TEAM_URL", receiver.url)
        yield receiver


def sent(channel: Channel, news: Message = MESSAGE, *, deadline: float = 10) -> Outcome:
    outcome = delivered({"x": news}, {"x": channel}, deadline=deadline)["x"]
    for secret in (SECRET_PATH, "s3cr3t", PASSWORD):
        assert secret not in outcome.why
    return outcome


def test_a_webhook_gets_the_message_with_its_id(receiver: Receiver) -> None:
    assert sent(SLACK) == Outcome(Result.DELIVERED)
    assert (receiver.arrived, receiver.ids) == ([render.slack(MESSAGE, UI)], [MESSAGE.id])


def test_a_token_is_sent_and_not_shown(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = HttpChannel("hook", UI, "TEAM_URL", render.webhook, token_env="HOOK_TOKEN", timeout=5)
    assert sent(hook) == Outcome(Result.FAILED, "the environment variable HOOK_TOKEN is not set")
    monkeypatch.setenv("HOOK_TOKEN", f"{PASSWORD}\r\nX-Evil: 1")
    assert sent(hook).result is Result.FAILED
    monkeypatch.setenv("HOOK_TOKEN", PASSWORD)
    assert sent(hook) == Outcome(Result.DELIVERED)
    assert [headers["Authorization"] for headers in receiver.headers] == [f"Bearer {PASSWORD}"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (302, Outcome(Result.FAILED, "HTTP 302 Found")),
        (400, Outcome(Result.REFUSED, "HTTP 400 Bad Request")),
        (404, Outcome(Result.FAILED, "HTTP 404 Not Found")),
        (408, Outcome(Result.FAILED, "HTTP 408 Request Timeout")),
        (413, Outcome(Result.REFUSED, "HTTP 413 Request Entity Too Large")),
        (429, Outcome(Result.FAILED, "HTTP 429 Too Many Requests")),
        (500, Outcome(Result.CHOKED, "HTTP 500 Internal Server Error")),
        (503, Outcome(Result.FAILED, "HTTP 503 Service Unavailable")),
    ],
)
def test_what_a_status_means(receiver: Receiver, status: int, outcome: Outcome) -> None:
    receiver.answers = [status]
    assert sent(SLACK) == outcome
    assert receiver.arrived == []


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TEAM_URL", f"http://127.0.0.1:{free_port()}{SECRET_PATH}")
    assert sent(SLACK) == Outcome(Result.FAILED, "Connection refused")


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://127.0.0.1{SECRET_PATH}",
        f"https://host{SECRET_PATH}\n x",
        f"file://{SECRET_PATH}",
        "https://[s3cr3t",
    ],
)
def test_what_is_no_address_is_not_tried_nor_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TEAM_URL", url)
    why = "the environment variable TEAM_URL holds no address that begins with https:// or http://"
    assert sent(SLACK) == Outcome(Result.FAILED, why)


def test_a_receiver_that_is_slow_times_out_and_delays_no_other(receiver: Receiver) -> None:
    receiver.hold = threading.Event()
    impatient = HttpChannel("slow", UI, "TEAM_URL", render.slack, timeout=0.05)
    assert sent(impatient) == Outcome(Result.FAILED, "timed out")
    patient = HttpChannel("slow", UI, "TEAM_URL", render.slack, timeout=60)
    assert sent(patient, deadline=0.05) == Outcome(Result.FAILED, "timed out")


def test_tls_that_is_not_trusted_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    context, trusted = certificate(tmp_path)
    with http_receiver(context) as receiver:
        monkeypatch.setenv("TEAM_URL", receiver.url)
        outcome = sent(SLACK)
        assert outcome == Outcome(Result.FAILED, "TLS: the certificate was not accepted (OpenSSL code 18)")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert sent(SLACK) == Outcome(Result.DELIVERED)
        assert receiver.arrived == [render.slack(MESSAGE, UI)]
    with http_receiver() as plain:
        monkeypatch.setenv("TEAM_URL", plain.url.replace("http:", "https:"))
        assert sent(SLACK) == Outcome(Result.FAILED, "TLS: no secure connection could be made")


def mail(mailbox: Mailbox, security: str = "none", *, login: bool = False) -> MailChannel:
    user, variable = ("us", "MAIL_PASSWORD") if login else (None, None)
    server = MailServer("127.0.0.1", mailbox.port, security, user, variable)  # type: ignore[arg-type]
    return MailChannel(
        "mail", UI, server, "us@example.org", ("you@example.org", "all@example.org"), timeout=5
    )


def test_a_mail_arrives_as_text_and_as_html() -> None:
    with mail_server(Mailbox()) as mailbox:
        assert sent(mail(mailbox)) == Outcome(Result.DELIVERED)
    (envelope,) = mailbox.arrived
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "us@example.org",
        ["you@example.org", "all@example.org"],
    )
    received = message_from_bytes(envelope.content or b"", policy=policy.default)
    assert received["Subject"] == "medallion_assets: 1 failed check"
    assert received["Message-ID"] == f"<{MESSAGE.id}@medallion-assets.invalid>"
    text, html = (received.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    assert text.replace("\r", "") == render.mail_text(MESSAGE, UI)
    assert html.strip() == render.mail_html(MESSAGE, UI)


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_login_is_made_over_trusted_tls_alone(
    security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path)
    tls: dict[str, ssl.SSLContext] = {"starttls": context} if security == "starttls" else {"tls": context}
    with mail_server(Mailbox(password=PASSWORD), **tls) as mailbox:
        channel = mail(mailbox, security, login=True)
        untrusted = sent(channel)
        assert untrusted == Outcome(Result.FAILED, "TLS: the certificate was not accepted (OpenSSL code 18)")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert sent(channel) == Outcome(Result.FAILED, "the environment variable MAIL_PASSWORD is not set")
        monkeypatch.setenv("MAIL_PASSWORD", f"not {PASSWORD}")
        assert sent(channel) == Outcome(Result.FAILED, "SMTP 535")
        monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
        assert sent(channel) == Outcome(Result.DELIVERED)
    assert len(mailbox.arrived) == 1


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for() -> None:
    with mail_server(Mailbox()) as mailbox:
        assert sent(mail(mailbox, "starttls")) == Outcome(Result.FAILED, "SMTPNotSupportedError")
    assert mailbox.arrived == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("451 try later", Outcome(Result.FAILED, "SMTP 451 on the message")),
        ("552 too big", Outcome(Result.REFUSED, "SMTP 552 on the message")),
    ],
)
def test_what_a_mail_server_means(answer: str, outcome: Outcome) -> None:
    with mail_server(Mailbox(answers=[answer])) as mailbox:
        assert sent(mail(mailbox)) == outcome
        assert sent(mail(mailbox)) == Outcome(Result.DELIVERED)


def test_a_recipient_that_is_refused_is_told_of_and_holds_up_nobody() -> None:
    with mail_server(Mailbox(refuses=frozenset({"all@example.org"}))) as mailbox:
        assert sent(mail(mailbox)) == Outcome(Result.DELIVERED, "1 of 2 recipients were refused")
    with mail_server(Mailbox(refuses=frozenset({"all@example.org", "you@example.org"}))) as mailbox:
        assert sent(mail(mailbox)) == Outcome(Result.FAILED, "SMTP 550 to every recipient")


def test_no_mail_server_there() -> None:
    assert sent(mail(Mailbox(port=free_port()))) == Outcome(Result.FAILED, "Connection refused")
