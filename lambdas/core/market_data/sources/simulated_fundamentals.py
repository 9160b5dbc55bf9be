"""Quarterly reports of a simulated market: when they come, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import FloatArray, PricePanel

_MISSING_ESTIMATES = 0.02
_UNKNOWN_HOURS = 0.03
_SURPRISE_OF_PRICE = 0.002
"""Earnings per share beat their estimate by this share of the price for each standard deviation of surprise."""


def schedule(rng: np.random.Generator, symbols: Sequence[str], sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Draw the reports of every symbol: period end, announcement, filing and the standardised surprise.

    Fiscal quarters end in different months for a third of the symbols each. Announcements come two to six weeks after
    the period, half before the open and half after the close; the filing follows within eleven days.
    """
    n_symbols = len(symbols)
    shift = rng.integers(0, 3, n_symbols)
    months = pd.date_range(sessions[0] - pd.DateOffset(months=1), sessions[-1], freq="ME")
    month_number = months.month.to_numpy()
    ends, column = np.nonzero((month_number[:, np.newaxis] % 3) == shift)
    n_reports = len(ends)
    period_end = months.to_numpy().astype("datetime64[D]")[ends]
    announced = period_end + rng.integers(14, 43, n_reports).astype("timedelta64[D]")
    weekday = (announced.astype(np.int64) + 3) % 7  # 0 is a Monday: 1970-01-01 was a Thursday.
    announced = announced + np.where(weekday > 4, 7 - weekday, 0).astype("timedelta64[D]")
    hour = np.where(rng.random(n_reports) < 0.5, "pre", "post").astype(object)
    hour[rng.random(n_reports) < _UNKNOWN_HOURS] = None
    return pd.DataFrame(
        {
            "symbol": np.array(symbols, dtype=object)[column],
            "column": column,
            "period_end": period_end.astype("datetime64[ns]"),
            "announced": announced.astype("datetime64[ns]"),
            "filed": (announced + rng.integers(0, 12, n_reports).astype("timedelta64[D]")).astype("datetime64[ns]"),
            "release_time": hour,
            "surprise": rng.standard_normal(n_reports),
        }
    )


def figures(
    rng: np.random.Generator,
    reports: pd.DataFrame,
    prices: PricePanel,
    regime: FloatArray,
    *,
    informative: bool,
    missing: float,
) -> pd.DataFrame:
    """Draw what the reports say, as `fundamentals.parquet` has it.

    Earnings follow the price at the end of the period, so that valuations stay in a sane range. In an informative
    market the net margin and the growth of assets carry the regime of the drift; in a null market they are noise.
    Reports that would come after the last session or for a period without a price are left out, and the share
    `missing` of the rest.
    """
    n_symbols = len(prices.symbols)
    column = reports["column"].to_numpy()
    row = np.clip(prices.sessions.searchsorted(reports["period_end"], side="right") - 1, 0, None)
    price = prices.close[row, column]
    told = regime[row, column] if informative else np.zeros(len(reports))
    n_reports = len(reports)
    earnings_yield = np.exp(rng.normal(np.log(0.055), 0.25, n_symbols))[column]
    season = 1.0 + rng.uniform(-0.15, 0.15, (n_symbols, 4))[column, reports["period_end"].dt.quarter.to_numpy() - 1]
    estimate = price * earnings_yield / 4.0 * season * np.exp(0.05 * rng.standard_normal(n_reports))
    eps = estimate + _SURPRISE_OF_PRICE * price * reports["surprise"].to_numpy()
    shares = np.exp(rng.normal(np.log(4e8), 0.8, n_symbols))[column]
    margin = np.exp(
        rng.normal(np.log(0.10), 0.2, n_symbols)[column] + 0.2 * told + 0.05 * rng.standard_normal(n_reports)
    )
    asset_growth = pd.Series(0.015 + 0.02 * told + 0.01 * rng.standard_normal(n_reports))
    assets = np.exp(rng.normal(np.log(2e10), 0.8, n_symbols))[column] * np.exp(
        asset_growth.groupby(column).cumsum().to_numpy()
    )
    table = pd.DataFrame(
        {
            "symbol": reports["symbol"],
            "period_end": reports["period_end"],
            "filed": reports["filed"],
            "announced": reports["announced"],
            "release_time": reports["release_time"],
            "eps": eps.round(4),
            "eps_est": np.where(rng.random(n_reports) < _MISSING_ESTIMATES, np.nan, estimate).round(4),
            "revenue": (estimate * shares / margin).round(),
            "net_income": (eps * shares).round(),
            "total_assets": assets.round(),
            "equity": (assets * rng.uniform(0.3, 0.6, n_symbols)[column]).round(),
            "shares": shares.round(),
        }
    )
    told_in_time = (table["filed"] <= prices.sessions[-1]) & np.isfinite(price)
    kept = told_in_time & (rng.random(n_reports) >= missing)
    reported: pd.DataFrame = table[kept].sort_values(["symbol", "period_end"], ignore_index=True)
    return reported
