"""Features of earnings: how they grow, how they surprise, what the market made of them, and whether there are any."""

from __future__ import annotations

import numpy as np

from lambdas.core.features.feature import Feature, Market
from lambdas.core.features.reports import Figure, combined, reports_of
from lambdas.core.market_data.panel import FloatArray

SURPRISE_FADE_DAYS = 60.0
GROWTH_LIMIT = 5.0
SUE_LIMIT = 10.0
SUE_QUARTERS, SUE_QUARTERS_NEEDED = 8, 6


def growth_on(now: Figure, before: Figure) -> Figure:
    """Change over the size of what was before, within +-5; a base of zero has none."""
    base = np.abs(before.value)
    growth = (now.value - before.value) / np.where(base > 0.0, base, np.nan)
    return combined(np.clip(growth, -GROWTH_LIMIT, GROWTH_LIMIT), now, before)


def eps_growth(market: Market) -> FloatArray:
    """Quarterly earnings per share against the same quarter a year before, over the size of the latter."""
    reports = reports_of(market)
    now = reports.figure("eps")
    return reports.value_by_session(growth_on(now, reports.lagged(now, 4)))


def eps_growth_year(market: Market) -> FloatArray:
    """Earnings per share of four quarters against those of the four before, over the size of the latter."""
    reports = reports_of(market)
    now = reports.trailing_year(reports.figure("eps"))
    return reports.value_by_session(growth_on(now, reports.lagged(now, 4)))


def standardised_unexpected_earnings(market: Market) -> FloatArray:
    """Change of earnings per share on the same quarter a year before, in deviations of such changes.

    Expected is a seasonal random walk (Foster 1977; Bernard & Thomas 1989). The deviation is that of the changes of
    the eight quarters before, of which six must have been known (Chan, Jegadeesh & Lakonishok 1996).
    """
    reports = reports_of(market)
    now = reports.figure("eps")
    before = reports.lagged(now, 4)
    change = combined(now.value - before.value, now, before)
    history = reports.earlier(change, range(1, SUE_QUARTERS + 1))
    count = np.isfinite(history).sum(axis=0)
    known = np.where(count >= SUE_QUARTERS_NEEDED, history, np.nan)
    mean = np.nansum(known, axis=0) / np.maximum(count, 1)
    deviation = np.sqrt(np.nansum((known - mean) ** 2, axis=0) / np.maximum(count - 1, 1))
    surprise = change.value / np.where(deviation > 1e-9, deviation, np.nan)
    return reports.value_by_session(Figure(np.clip(surprise, -SUE_LIMIT, SUE_LIMIT), change.known))


def _surprise(market: Market) -> tuple[FloatArray, FloatArray]:
    """Surprise by session, and its age in days."""
    reports = reports_of(market)
    eps, estimate = reports.figure("eps"), reports.figure("eps_est")
    known = combined(eps.value, eps, estimate).known
    price = reports.at_release(market.close, known, sessions_before=1)
    return reports.by_session(Figure((eps.value - estimate.value) / price, known))


def earnings_surprise(market: Market) -> FloatArray:
    """Earnings per share less their estimate, over the close before they were known."""
    return market.shared("surprise", _surprise)[0]


def fading_surprise(market: Market) -> FloatArray:
    """Earnings surprise times exp(-days since it was known / 60)."""
    surprise, age = market.shared("surprise", _surprise)
    return surprise * np.exp(age / -SURPRISE_FADE_DAYS)


def announcement_return(market: Market) -> FloatArray:
    """Return on the session at whose close the last earnings were known, less that of SPY."""
    reports = reports_of(market)
    announced = reports.announcement()
    excess = reports.at_release(market.returns, announced.known, sessions_before=0)
    spy = np.broadcast_to(market.market_returns, market.returns.shape)
    excess -= reports.at_release(spy, announced.known, sessions_before=0)
    return reports.value_by_session(Figure(excess, announced.known))


def days_since_announcement(market: Market) -> FloatArray:
    """Calendar days since the session at whose close the last earnings were known."""
    reports = reports_of(market)
    return reports.by_session(reports.announcement())[1]


def no_estimate(market: Market) -> FloatArray:
    """1 where the newest earnings came without an estimate, 0 where with one, NaN where there are no recent ones.

    NaN too before the data set's first estimate.
    """
    reports = reports_of(market)
    eps, estimate = reports.figure("eps"), reports.figure("eps_est")
    missing = ~(np.isfinite(estimate.value) & (estimate.known <= eps.known))
    indicator = reports.value_by_session(Figure(np.where(np.isfinite(eps.value), missing, np.nan), eps.known))
    return reports.since_first(estimate, indicator)


def no_recent_report(market: Market) -> FloatArray:
    """1 where nothing of any report was released within the age limit, else 0; NaN before the data set's first one."""
    reports = reports_of(market)
    released = reports.first_release()
    missing = np.isnan(reports.value_by_session(released)).astype(np.float64)
    return reports.since_first(released, missing)


FEATURES = (
    Feature(
        "eps_growth",
        "fundamental",
        "(EPS - EPS of the same quarter a year before) / size of the latter, within +-5",
        "fraction",
        730,
        "Foster, Olsen & Shevlin 1984",
        eps_growth,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "eps_growth_year",
        "fundamental",
        "(EPS of four quarters - EPS of the four before) / size of the latter, within +-5",
        "fraction",
        1000,
        "Lakonishok, Shleifer & Vishny 1994",
        eps_growth_year,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "sue",
        "fundamental",
        "Change of EPS on the same quarter a year before / its deviation over 8 quarters, within +-10",
        "deviations",
        1365,
        "Foster 1977; Bernard & Thomas 1989",
        standardised_unexpected_earnings,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "earnings_surprise",
        "fundamental",
        "(EPS - estimate) / close before the release",
        "fraction of the price",
        270,
        "Ball & Brown 1968",
        earnings_surprise,
        needs=(
            "fundamentals.eps",
            "fundamentals.eps_est",
        ),
        ranked=True,
    ),
    Feature(
        "fading_surprise",
        "fundamental",
        "earnings_surprise * exp(-days since the release / 60)",
        "fraction of the price",
        270,
        "Bernard & Thomas 1989",
        fading_surprise,
        needs=(
            "fundamentals.eps",
            "fundamentals.eps_est",
        ),
        ranked=True,
    ),
    Feature(
        "announcement_return",
        "fundamental",
        "Return less SPY on the session that learnt the last earnings",
        "fraction",
        270,
        "Chan, Jegadeesh & Lakonishok 1996",
        announcement_return,
        needs=("fundamentals.announced",),
        ranked=True,
    ),
    Feature(
        "days_since_announcement",
        "fundamental",
        "Calendar days since the last earnings were known",
        "days",
        270,
        "Bernard & Thomas 1989",
        days_since_announcement,
        needs=("fundamentals.announced",),
    ),
    Feature(
        "no_estimate",
        "fundamental",
        "1 if the newest earnings had no estimate",
        "0 or 1",
        270,
        "Hong, Lim & Stein 2000",
        no_estimate,
        needs=(
            "fundamentals.eps",
            "fundamentals.eps_est",
        ),
    ),
    Feature(
        "no_recent_report",
        "fundamental",
        "1 if no report was released within 270 days",
        "0 or 1",
        270,
        "Little & Rubin 2002",
        no_recent_report,
        needs=("fundamentals.period_end",),
    ),
)
