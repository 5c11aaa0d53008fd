"""Fixtures of a bucket: a server for each module, a new bucket for each test, a machine's own cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from medallion_assets.storage.s3 import requests
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.storage import buckets


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with buckets.server() as url:
        yield url


@pytest.fixture
def proxy(endpoint: str) -> Iterator[buckets.Proxy]:
    with buckets.proxy(endpoint) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr(requests, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(requests, "REQUEST_TRIES", 1)


@pytest.fixture
def url(proxy: buckets.Proxy, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, for a machine that reaches it through the proxy."""
    buckets.set_environment(monkeypatch, proxy.url, tmp_path / "cache")
    return buckets.new_bucket(endpoint)


@pytest.fixture
def store(url: str, impatient: None) -> PartitionStore:
    return PartitionStore(url)


@pytest.fixture
def elsewhere(url: str, endpoint: str, tmp_path: Path) -> PartitionStore:
    """The same store on another machine: its locks and copies are its own."""
    return buckets.on_another_machine(url, endpoint, tmp_path / "elsewhere")
