"""Features of the state of the market as a whole, and how each symbol moves with it.

What is the same for all symbols of a date cannot tell them apart; the betas can. Lags of publication are those of
`Market.macro`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from lambdas.core.features.exposures import beta_beside_market
from lambdas.core.features.feature import Feature, Market, change, difference, shifted
from lambdas.core.market_data.panel import FloatArray


def vix_level(market: Market) -> FloatArray:
    """Close of the VIX."""
    return market.macro("vix")


def vix_percentile_252(market: Market) -> FloatArray:
    """Share of the last 252 closes of the VIX that are not above the newest; at least half a year of them."""
    return np.asarray(pd.DataFrame(market.macro("vix")).rolling(252, min_periods=126).rank(method="max", pct=True))


def vix_change(market: Market, sessions: int) -> FloatArray:
    """Logarithmic change of the VIX."""
    return np.log1p(change(market.macro("vix"), sessions))


def curve(market: Market, short: str) -> FloatArray:
    """Ten-year Treasury yield less a shorter one, both of the session before."""
    return market.macro("ust10y") - market.macro(short)


def curve_change(market: Market, short: str, sessions: int) -> FloatArray:
    """Change of the slope of the curve up to the session before."""
    return difference(curve(market, short), sessions)


def dollar_change(market: Market, sessions: int) -> FloatArray:
    """Relative change of the dollar index up to the session before."""
    return change(market.macro("dxy"), sessions)


def vix_beta_252(market: Market) -> FloatArray:
    """Slope of daily returns on log changes of the VIX, beside SPY."""
    return beta_beside_market(market, vix_change(market, 1))


def curve_beta_252(market: Market) -> FloatArray:
    """Slope of daily returns on changes of the curve between 3 months and 10 years, beside SPY.

    A return stands beside the change of its own session, which is known a session later: so the newest pair is that of
    the session before.
    """
    slope = market.macro_of_the_day("ust10y") - market.macro_of_the_day("ust3m")
    return shifted(beta_beside_market(market, difference(slope, 1)), 1)


def dollar_beta_252(market: Market) -> FloatArray:
    """Slope of daily returns on changes of the dollar index, beside SPY; up to the session before, as the curve's."""
    return shifted(beta_beside_market(market, change(market.macro_of_the_day("dxy"), 1)), 1)


FEATURES = (
    Feature(
        "vix_level",
        "macro",
        "Close of the VIX",
        "points",
        0,
        "Whaley 2000",
        vix_level,
        needs=("macro.vix",),
        market_wide=True,
    ),
    Feature(
        "vix_percentile_252",
        "macro",
        "Share of the last 252 closes of the VIX not above the newest",
        "0 to 1",
        252,
        "Whaley 2000",
        vix_percentile_252,
        needs=("macro.vix",),
        market_wide=True,
    ),
    Feature(
        "vix_change_21",
        "macro",
        "log(VIX / VIX 21 sessions ago)",
        "log",
        21,
        "Whaley 2000",
        partial(vix_change, sessions=21),
        needs=("macro.vix",),
        market_wide=True,
    ),
    Feature(
        "curve_10y_3m",
        "macro",
        "10-year less 3-month Treasury yield, lagged one session",
        "percentage points",
        1,
        "Estrella & Mishkin 1998",
        partial(curve, short="ust3m"),
        needs=("macro.ust10y", "macro.ust3m"),
        market_wide=True,
    ),
    Feature(
        "curve_10y_3m_change_63",
        "macro",
        "Change of curve_10y_3m over 63 sessions",
        "percentage points",
        64,
        "Estrella & Mishkin 1998",
        partial(curve_change, short="ust3m", sessions=63),
        needs=("macro.ust10y", "macro.ust3m"),
        market_wide=True,
    ),
    Feature(
        "curve_10y_2y",
        "macro",
        "10-year less 2-year Treasury yield, lagged one session",
        "percentage points",
        1,
        "Fama & French 1989",
        partial(curve, short="ust2y"),
        needs=("macro.ust10y", "macro.ust2y"),
        market_wide=True,
    ),
    Feature(
        "curve_10y_2y_change_63",
        "macro",
        "Change of curve_10y_2y over 63 sessions",
        "percentage points",
        64,
        "Fama & French 1989",
        partial(curve_change, short="ust2y", sessions=63),
        needs=("macro.ust10y", "macro.ust2y"),
        market_wide=True,
    ),
    Feature(
        "dollar_change_63",
        "macro",
        "Change of the dollar index over 63 sessions, lagged one session",
        "fraction",
        64,
        "Lustig, Roussanov & Verdelhan 2011",
        partial(dollar_change, sessions=63),
        needs=("macro.dxy",),
        market_wide=True,
    ),
    Feature(
        "vix_beta_252",
        "macro",
        "Slope of daily returns on log changes of the VIX, beside SPY, over 252 sessions",
        "1",
        253,
        "Ang, Hodrick, Xing & Zhang 2006",
        vix_beta_252,
        needs=("macro.vix",),
        ranked=True,
    ),
    Feature(
        "curve_beta_252",
        "macro",
        "Slope of daily returns on same-day changes of the curve, beside SPY, over 252 sessions up to the one before",
        "fraction for a point",
        254,
        "Chen, Roll & Ross 1986",
        curve_beta_252,
        needs=("macro.ust10y", "macro.ust3m"),
        ranked=True,
    ),
    Feature(
        "dollar_beta_252",
        "macro",
        "Slope of daily returns on same-day changes of the dollar, beside SPY, over 252 sessions up to the one before",
        "1",
        254,
        "Jorion 1990",
        dollar_beta_252,
        needs=("macro.dxy",),
        ranked=True,
    ),
)
