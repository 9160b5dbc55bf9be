"""What the market did while the candidate was on trial: a lucky quarter should be seen as one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.backtest.breakdown import volatility_regimes
from lambdas.core.backtest.run import Backtest
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.validation.competitive import percentile
from lambdas.core.validation.values import MarketRegime

TREND_SESSIONS = 200
MIN_SPANS = 20
"""Spans of the holdout's length before it, overlapping, below which a percentile among them says nothing."""
FAVOURABLE, UNFAVOURABLE = 80.0, 20.0


def market_regime(backtest: Backtest, holdout: int) -> MarketRegime:
    """Describe the market of the sessions after `holdout` beside what came before.

    Parameters
    ----------
    backtest : Backtest
        Of walk-forward and holdout as one.
    holdout : int
        Session of the first decision of the holdout.

    Returns
    -------
    MarketRegime
        Terciles of the VIX are those of the history known at each decision; the trend is SPY above its mean of 200
        sessions (Faber 2007). The percentile of SPY's return is among all spans of the same length that ended before
        the holdout, those before the walk-forward included.
    """
    first, last = backtest.first, backtest.last
    market = _market(backtest)
    split = holdout - first
    regimes = volatility_regimes(backtest)
    after, before = (None, None) if regimes is None else (regimes[split:], regimes[:split])
    trend = _above_trend(market)
    length = last - holdout
    spans = market[length : holdout + 1] / market[: max(holdout + 1 - length, 0)] - 1.0 if length < holdout else None
    gained = float(market[last] / market[holdout] - 1.0)
    place = None
    if spans is not None and np.isfinite(spans).sum() >= MIN_SPANS:
        place = percentile(gained, spans)
    return MarketRegime(
        vix_high_share=_share(after, 2),
        vix_low_share=_share(after, 0),
        history_vix_high_share=_share(before, 2),
        history_vix_low_share=_share(before, 0),
        above_trend_share=_mean(trend[holdout + 1 : last + 1]),
        history_above_trend_share=_mean(trend[first + 1 : holdout + 1]),
        market_return=gained,
        market_return_percentile=place,
        sentence=_sentence(gained, place),
    )


def _market(backtest: Backtest) -> FloatArray:
    panel = backtest.dataset.benchmarks
    return np.asarray(pd.Series(panel.adj_close[:, panel.symbols.index(MARKET)]).ffill(), dtype=np.float64)


def _above_trend(market: FloatArray) -> FloatArray:
    """1 where SPY closed above its mean of 200 sessions, 0 where not, NaN before there are so many."""
    mean = np.asarray(pd.Series(market).rolling(TREND_SESSIONS).mean(), dtype=np.float64)
    return np.where(np.isfinite(mean), np.where(market > mean, 1.0, 0.0), np.nan)


def _share(regimes: IntArray | None, number: int) -> float | None:
    if regimes is None:
        return None
    known = regimes[regimes >= 0]
    return float((known == number).mean()) if known.size else None


def _mean(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _sentence(gained: float, place: float | None) -> str:
    said = f"SPY returned {gained:.1%} over the holdout"
    if place is None:
        return f"{said}; there is too little history to say whether that is much."
    if place >= FAVOURABLE:
        return f"{said}, more than over {place:.0f} % of earlier spans of that length: high hit rates came easily."
    if place <= UNFAVOURABLE:
        return f"{said}, less than over {100 - place:.0f} % of earlier spans of that length: hit rates had it hard."
    return f"{said}, percentile {place:.0f} of earlier spans of that length: an ordinary market."
