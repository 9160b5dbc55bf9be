"""A part of the real market that plain loops get through in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.panel import MarketDataset

N_SYMBOLS = 40


@pytest.fixture(scope="session")
def sample(shared_data: Path) -> MarketDataset:
    """Forty companies, some listed late, on the last 500 sessions of 2015 to 2017, so that the loops end in time."""
    whole = read_dataset(shared_data)
    late = [s for j, s in enumerate(whole.prices.symbols) if np.isnan(whole.prices.close[1500, j])]
    early = [s for s in whole.prices.symbols if s not in late]
    random = np.random.default_rng(0)
    symbols = sorted([*late[:8], *random.choice(early, N_SYMBOLS - len(late[:8]), replace=False)])
    columns = [whole.prices.symbols.index(symbol) for symbol in symbols]
    rows = slice(1500, 2020)

    def cut(panel, chosen):
        arrays = {
            name: getattr(panel, name)[rows][:, chosen]
            for name in ("open", "high", "low", "close", "adj_close", "volume")
        }
        return replace(panel, sessions=panel.sessions[rows], symbols=tuple(panel.symbols[j] for j in chosen), **arrays)

    return replace(
        whole,
        prices=cut(whole.prices, columns),
        benchmarks=cut(whole.benchmarks, range(len(whole.benchmarks.symbols))),
    )
