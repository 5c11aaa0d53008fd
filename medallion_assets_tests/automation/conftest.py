"""A Dagster instance in memory, and a receiver whose address is in the environment."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from medallion_assets_tests.alerts.receivers import Receiver, http_receiver

PASSWORD = "pass-w0rd-s3cr3t"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "*")
    with http_receiver() as receiver:
        monkeypatch.setenv("TEAM_URL", receiver.url)
        monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
        yield receiver
