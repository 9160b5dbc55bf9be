"""A simulated market whose signal turns against those who learned it."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import MarketDataset, PricePanel
from lambdas.core.market_data.sources import SimulatedSource


def market_with_regime_change(source: SimulatedSource, change: dt.date) -> MarketDataset:
    """Return the market of `source` until `change`; from there on what drove prices up drives them down.

    The same seed without a signal has the same noise, so the drift of a session is the difference of the two markets'
    log returns. After the change it is taken off twice: its sign has turned, its strength and everything else have not.

    Parameters
    ----------
    source : SimulatedSource
        With a signal.
    change : date
        First session of the other regime.
    """
    with_signal = source.market().dataset
    without = replace(source, signal_rank_ic=0.0).market().dataset
    after = int(with_signal.sessions.searchsorted(pd.Timestamp(change)))
    drift = np.diff(np.log(with_signal.prices.adj_close), axis=0, prepend=np.nan)
    drift -= np.diff(np.log(without.prices.adj_close), axis=0, prepend=np.nan)
    turned = np.where(np.isfinite(drift), -2.0 * drift, 0.0)
    turned[:after] = 0.0
    factor = np.exp(np.cumsum(turned, axis=0))
    # The open of a session comes before its drift.
    before = np.vstack([np.ones((1, factor.shape[1])), factor[:-1]])
    prices = with_signal.prices
    values = {name.name: getattr(prices, name.name) for name in fields(PricePanel)}
    values |= {name: values[name] * factor for name in ("close", "adj_close")}
    values["open"] = values["open"] * before
    highest, lowest = (extreme(values["open"], values["close"]) for extreme in (np.maximum, np.minimum))
    values["high"] = np.maximum(values["high"] * factor, highest)
    values["low"] = np.minimum(values["low"] * factor, lowest)
    note = f"simulated market whose signal turns on {change}: no result on it says anything about real markets"
    return replace(with_signal, prices=PricePanel(**values), notes=(note,))
