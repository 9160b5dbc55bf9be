"""Features of the state of the market as a whole; lags of publication are those of `Market.macro`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.features.feature import Feature, Market, change, slope_and_residual
from lambdas.core.market_data.panel import FloatArray


def vix_level(market: Market) -> FloatArray:
    """Close of the VIX."""
    return market.macro("vix")


def vix_percentile_252(market: Market) -> FloatArray:
    """Share of the last 252 closes of the VIX that are not above the newest; at least half a year of them."""
    return np.asarray(pd.DataFrame(market.macro("vix")).rolling(252, min_periods=126).rank(method="max", pct=True))


def vix_change_21(market: Market) -> FloatArray:
    """Logarithmic change of the VIX over 21 sessions."""
    return np.log1p(change(market.macro("vix"), 21))


def vix_beta_252(market: Market) -> FloatArray:
    """Slope of a symbol's daily returns on daily logarithmic changes of the VIX over 252 sessions."""
    return slope_and_residual(market.returns, np.log1p(change(market.macro("vix"), 1)))[0]


def curve_10y_3m(market: Market) -> FloatArray:
    """Ten-year less three-month Treasury yield of the session before."""
    return market.macro("ust10y") - market.macro("ust3m")


def curve_10y_2y(market: Market) -> FloatArray:
    """Ten-year less two-year Treasury yield of the session before."""
    return market.macro("ust10y") - market.macro("ust2y")


def dollar_change_63(market: Market) -> FloatArray:
    """Relative change of the dollar index over 63 sessions up to the session before."""
    return change(market.macro("dxy"), 63)


FEATURES = (
    Feature("vix_level", "macro", "Close of the VIX", "points", 0, "Whaley 2000", vix_level, needs=("macro.vix",)),
    Feature(
        "vix_percentile_252",
        "macro",
        "Share of the last 252 closes of the VIX not above the newest",
        "0 to 1",
        252,
        "Whaley 2000",
        vix_percentile_252,
        needs=("macro.vix",),
    ),
    Feature(
        "vix_change_21",
        "macro",
        "log(VIX / VIX 21 sessions ago)",
        "log",
        21,
        "Whaley 2000",
        vix_change_21,
        needs=("macro.vix",),
    ),
    Feature(
        "vix_beta_252",
        "macro",
        "Slope of daily returns on log changes of the VIX over 252 sessions",
        "1",
        253,
        "Ang, Hodrick, Xing & Zhang 2006",
        vix_beta_252,
        needs=("macro.vix",),
        ranked=True,
    ),
    Feature(
        "curve_10y_3m",
        "macro",
        "10-year less 3-month Treasury yield, lagged one session",
        "percentage points",
        1,
        "Estrella & Mishkin 1998",
        curve_10y_3m,
        needs=("macro.ust10y", "macro.ust3m"),
    ),
    Feature(
        "curve_10y_2y",
        "macro",
        "10-year less 2-year Treasury yield, lagged one session",
        "percentage points",
        1,
        "Fama & French 1989",
        curve_10y_2y,
        needs=("macro.ust10y", "macro.ust2y"),
    ),
    Feature(
        "dollar_change_63",
        "macro",
        "Change of the dollar index over 63 sessions, lagged one session",
        "fraction",
        64,
        "Lustig, Roussanov & Verdelhan 2011",
        dollar_change_63,
        needs=("macro.dxy",),
    ),
)
