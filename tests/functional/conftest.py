"""The account that functional tests run in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from in_memory_account import Account, deployed


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """A fresh account for each test."""
    with deployed(monkeypatch) as fresh:
        yield fresh
