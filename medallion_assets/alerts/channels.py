"""Where messages go: Slack-compatible webhooks, webhooks that take JSON, mail.

A channel is told in its fields which environment variables hold its secrets; they are read when a message is
sent, and kept nowhere. Belongs here: sending, once. Does not: when, and what follows (outbox.py).
"""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from medallion_assets.alerts import render
from medallion_assets.alerts.failure import Unset
from medallion_assets.alerts.outbox import Message

SOCKET_SECONDS = 10.0
ID_HEADER = "X-Medallion-Message-Id"


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raises Unset where a secret is missing, so that it shows before anything is to be sent."""

    def send(self, message: Message) -> str:
        """Raises unless the receiver has taken the message. What was wrong all the same, in words."""


@dataclass(frozen=True)
class HttpChannel:
    """`body` writes the message; the address is a secret as a whole, as Slack's are."""

    name: str
    ui: str
    url_env: str
    body: Callable[[Message, str], Mapping[str, Any]]
    token_env: str | None = None
    timeout: float = SOCKET_SECONDS

    def check(self) -> None:
        _url(self.url_env)
        self._authorization()

    def send(self, message: Message) -> str:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": render.PROJECT,
            ID_HEADER: message.id,
            **self._authorization(),
        }
        data = json.dumps(self.body(message, self.ui)).encode()
        request = urllib.request.Request(_url(self.url_env), data, headers)  # noqa: S310  # checked in _url
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=self.timeout):
            return ""

    def _authorization(self) -> dict[str, str]:
        if self.token_env is None:
            return {}
        return {"Authorization": f"Bearer {_token(self.token_env)}"}


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    security: Literal["starttls", "ssl", "none"]
    user: str | None = None
    password_env: str | None = None


@dataclass(frozen=True)
class MailChannel:
    name: str
    ui: str
    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    timeout: float = SOCKET_SECONDS

    def check(self) -> None:
        if self.server.password_env is not None:
            _secret(self.server.password_env)

    def send(self, message: Message) -> str:
        mail = self.mail(message)
        with self._connected() as connection:
            if self.server.security == "starttls":
                connection.starttls(context=ssl.create_default_context())
            if self.server.user is not None and self.server.password_env is not None:
                connection.login(self.server.user, _secret(self.server.password_env))
            refused = connection.send_message(mail, self.sender, list(self.recipients))
        return f"{len(refused)} of {len(self.recipients)} recipients were refused" if refused else ""

    def mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        mail["Subject"] = render.headline(message)
        mail["From"], mail["To"] = self.sender, ", ".join(self.recipients)
        mail["Message-ID"] = f"<{message.id}@{render.PROJECT.replace('_', '-')}.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(render.mail_text(message, self.ui))
        mail.add_alternative(render.mail_html(message, self.ui), subtype="html")
        return mail

    def _connected(self) -> smtplib.SMTP:
        host, port = self.server.host, self.server.port
        if self.server.security == "ssl":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=self.timeout, context=context)
        return smtplib.SMTP(host, port, timeout=self.timeout)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent is for the address that was given, and for no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _secret(name: str) -> str:
    if not (value := os.environ.get(name, "").strip()):
        raise Unset(f"the environment variable {name} is not set")
    return value


def _token(name: str) -> str:
    token = _secret(name)
    if not token.isascii() or not token.isprintable():
        raise Unset(f"the environment variable {name} holds no token: only printable ASCII can be sent")
    return token


def _url(name: str) -> str:
    url = _secret(name)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise Unset(f"the environment variable {name} holds no address that begins with https:// or http://")
    return url
