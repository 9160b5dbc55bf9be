"""Where a data set knows its members by day, nothing else is learnt from, compared with or recommended.

Half of the companies leave the universe in the middle; they would have been the best there is, had one known.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lambdas.core.backtest.run import run_backtest
from lambdas.core.features import build_features
from lambdas.core.labels import trade_prices
from lambdas.core.market_data.quality import quality_report
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.market_data.sources.live import NOTES
from lambdas.core.market_data.sources.sample import NOTES as SAMPLE_NOTES
from lambdas.core.models.market_view import market_view
from lambdas.core.models.training_data import training_rows
from lambdas.core.settings import ModelSettings

LEAVES = pd.Timestamp("2018-07-02")
SETTINGS = ModelSettings()


@pytest.fixture(scope="module")
def dataset():
    source = SimulatedSource(n_symbols=14, first=dt.date(2016, 1, 4), last=dt.date(2019, 6, 28))
    whole = source.load(None, as_of=None).dataset
    symbols = whole.prices.symbols
    members = pd.DataFrame({"symbol": symbols, "start": pd.Timestamp("2010-01-01"), "end": pd.NaT})
    members.loc[::2, "end"] = LEAVES
    return replace(whole, membership=members.astype({"end": "datetime64[ns]"}))


@pytest.fixture(scope="module")
def leaver(dataset):
    return np.arange(len(dataset.prices.symbols)) % 2 == 0


def test_training_sees_the_members_of_the_day_only(dataset, leaver):
    market = market_view(dataset, build_features(dataset), SETTINGS.portfolio)
    rows = training_rows(market, 260, len(dataset.sessions) - 30, SETTINGS)
    gone = int(dataset.sessions.searchsorted(LEAVES))
    assert not leaver[rows.columns[rows.decisions >= gone]].any()
    assert leaver[rows.columns[rows.decisions < gone]].any()


def predictions_for_everybody(dataset, leaver, first, last):
    days = dataset.sessions[first : last + 1]
    frame = pd.DataFrame(
        [(day, symbol) for day in days for symbol in dataset.prices.symbols], columns=["date", "symbol"]
    )
    return frame.assign(probability=np.tile(np.where(leaver, 0.99, 0.6), len(days)))


def test_recommendations_and_base_rates_are_of_the_members_of_the_day(dataset, leaver):
    gone = int(dataset.sessions.searchsorted(LEAVES))
    first, last = gone - 20, gone + 60
    backtest = run_backtest(dataset, predictions_for_everybody(dataset, leaver, first, last), SETTINGS)
    assert backtest.recommended[first:gone][:, leaver].any()
    assert not backtest.recommended[gone : last + 1][:, leaver].any()

    trade = trade_prices(dataset.prices)
    cost = (1.0 - SETTINGS.portfolio.cost_bps / 1e4) ** 2
    n_hits, weight = 0.0, 0
    for session in range(first, last + 1):
        member = np.isfinite(dataset.prices.close[session]) & np.isfinite(trade[session + 1])
        if session >= gone:
            member &= ~leaver
        hits = trade[session + 22][member] / trade[session + 1][member] * cost > 1.0
        picked = int(backtest.recommended[session].sum())
        n_hits, weight = n_hits + picked * hits.mean(), weight + picked
    assert backtest.absolute.base_rate == pytest.approx(n_hits / weight, abs=1e-12)
    everybody = run_backtest(
        replace(dataset, membership=None), predictions_for_everybody(dataset, leaver, first, last), SETTINGS
    )
    assert everybody.absolute.base_rate != pytest.approx(backtest.absolute.base_rate, abs=1e-3)


def test_where_no_membership_is_known_it_is_said_how_that_flatters(dataset):
    without = quality_report(replace(dataset, membership=None), None, {}, None).warnings
    assert any("membership" in warning and "flattered" in warning for warning in without)
    assert any("who survived" in note and "flattered" in note for note in NOTES)
    assert any("hindsight" in note and "flattered" in note for note in SAMPLE_NOTES)
