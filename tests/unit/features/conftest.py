"""A market that has everything a feature may need."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.market_data.sources import SimulatedSource


@pytest.fixture(scope="session")
def market() -> MarketDataset:
    """Simulated market of 14 symbols; to its reports come the three figures that the simulation does not draw."""
    simulated = SimulatedSource(n_symbols=14, first=dt.date(2017, 1, 3)).market().dataset
    reports = simulated.fundamentals
    random = np.random.default_rng(8)
    drawn = {
        "operating_cf": reports["net_income"] * random.uniform(0.5, 2.0, len(reports)),
        "gross_profit": reports["revenue"] * random.uniform(0.3, 0.6, len(reports)),
        "operating_income": reports["revenue"] * random.uniform(0.05, 0.2, len(reports)),
    }
    return replace(simulated, fundamentals=reports.assign(**drawn))
