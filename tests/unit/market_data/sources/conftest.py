"""A small market served over HTTP, and the live sources pointed at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "replay"))

from replay_bodies import Market
from replay_server import ReplayServer, healthy
from replay_sources import FIRST, LAST, forget_yfinance

from lambdas.core.market_data.sources import SimulatedSource


@pytest.fixture(scope="session")
def market() -> Market:
    source = SimulatedSource(n_symbols=6, first=FIRST, last=LAST)
    return Market(source.load(None, as_of=None).dataset)


@pytest.fixture
def serve() -> Iterator:
    """Start a server: ``serve(router, fault)``."""
    with ExitStack() as servers:
        yield lambda router, fault=healthy: servers.enter_context(ReplayServer(router, fault).running())


@pytest.fixture(autouse=True)
def fresh_yfinance() -> None:
    """Let no test see the session or the answers of another."""
    forget_yfinance()
