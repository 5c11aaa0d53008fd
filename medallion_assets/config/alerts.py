"""The configuration of alerts: to whom they go, and where their secrets are found.

Belongs here: its keys and what they may say together. Does not: sending (alerts/). A secret is never written
here: `…_env` names the environment variable that holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ADDRESS = r"^[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+$"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
Address = Annotated[str, StringConstraints(pattern=ADDRESS, max_length=254)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-:]+$", max_length=253)]
Complaint = tuple[tuple[str | int, ...], str]  # the key below `alerts`, and what is wrong with it
PORTS = {"starttls": 587, "ssl": 465, "none": 25}
LOOPBACK_UI = "http://127.0.0.1:3000"


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class SlackConfig(_Model):
    """A webhook as Slack, Mattermost and others have it."""

    name: Name = Field(description="Slug; names the channel in the sensor's ticks.")
    url_env: Variable = Field(description="The environment variable that holds the webhook's address.")


class WebhookConfig(_Model):
    """A receiver of JSON."""

    name: Name = Field(description="Slug; names the channel in the sensor's ticks.")
    url_env: Variable = Field(description="The environment variable that holds the address.")
    token_env: Variable | None = Field(
        default=None, description="The environment variable that holds a bearer token."
    )


class MailConfig(_Model):
    """Mail by SMTP."""

    name: Name = Field(description="Slug; names the channel in the sensor's ticks.")
    host: Host
    port: int | None = Field(default=None, ge=1, le=65535, description="587, 465 (ssl) or 25 (none).")
    security: Literal["starttls", "ssl", "none"] = "starttls"
    sender: Address = Field(alias="from")
    to: list[Address] = Field(min_length=1, max_length=50)
    user: str | None = Field(default=None, min_length=1, max_length=254)
    password_env: Variable | None = Field(
        default=None, description="The environment variable that holds the password."
    )


class AlertsConfig(_Model):
    """Failed checks and runs, late sources, failing sensors: to whom they are told."""

    ui: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-:\[\]/_~%]+$")] = Field(
        default=LOOPBACK_UI, description="Address of the Dagster UI, for links."
    )
    every_minutes: float = Field(
        default=15, ge=0, le=1440, description="After a message, a channel gets no other for so long."
    )
    slack: list[SlackConfig] = []
    webhooks: list[WebhookConfig] = []
    mail: list[MailConfig] = []


def alert_complaints(alerts: AlertsConfig) -> Iterator[Complaint]:
    """What no single key of `alerts` can see."""
    lists: dict[str, Sequence[SlackConfig | WebhookConfig | MailConfig]] = {
        "slack": alerts.slack,
        "webhooks": alerts.webhooks,
        "mail": alerts.mail,
    }
    placed = [((section, n), each) for section, items in lists.items() for n, each in enumerate(items)]
    if not placed:
        yield (), "names nobody to tell: give slack, webhooks or mail, or leave alerts out"
    counts = Counter(each.name for _, each in placed)
    for place, each in placed:
        if counts[each.name] > 1:
            yield (*place, "name"), f"{each.name!r} names {counts[each.name]} channels; names must be unique"
    for n, mail in enumerate(alerts.mail):
        if (mail.user is None) != (mail.password_env is None):
            yield ("mail", n), "to log in takes both, user and password_env"
        if mail.security == "none" and mail.password_env is not None:
            yield ("mail", n, "security"), "a password is never sent unencrypted; use starttls or ssl"
