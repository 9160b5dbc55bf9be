"""Features of what companies are worth, earn and own, from their reports."""

from __future__ import annotations

import numpy as np

from lambdas.core.features import earnings
from lambdas.core.features.feature import Feature, Market
from lambdas.core.features.reports import Figure, Reports, combined, reports_of
from lambdas.core.market_data.panel import FloatArray

_LIMIT = earnings.GROWTH_LIMIT
TREND_QUARTERS, TREND_QUARTERS_NEEDED = 4, 3


def _positive(figure: Figure) -> Figure:
    return Figure(np.where(figure.value > 0.0, figure.value, np.nan), figure.known)


def _ratio(over: Figure, under: Figure) -> Figure:
    """One figure over another that must be positive, within +-5."""
    return combined(np.clip(over.value / _positive(under).value, -_LIMIT, _LIMIT), over, under)


def earnings_yield(market: Market) -> FloatArray:
    """Earnings per share of the last four quarters over the close."""

    def compute(of: Market) -> FloatArray:
        reports = reports_of(of)
        return reports.value_by_session(reports.trailing_year(reports.figure("eps"))) / of.close

    return market.shared("earnings_yield", compute)


def price_to_earnings(market: Market) -> FloatArray:
    """Close over the earnings per share of the last four quarters, where those are positive."""
    yielded = earnings_yield(market)
    return 1.0 / np.where(yielded > 0.0, yielded, np.nan)


def loss_making(market: Market) -> FloatArray:
    """1 where the last four quarters earned nothing, so that there is no price to earnings; 0 where they did."""
    yielded = earnings_yield(market)
    return np.where(np.isnan(yielded), np.nan, yielded <= 0.0)


def market_value(market: Market) -> FloatArray:
    """Newest share count times the close: both on one split basis, as `fundamentals.parquet` must have them."""

    def compute(of: Market) -> FloatArray:
        reports = reports_of(of)
        return reports.value_by_session(_positive(reports.figure("shares"))) * of.close

    return market.shared("market_value", compute)


def book_to_market(market: Market) -> FloatArray:
    """Equity over the market value, where it is positive."""

    def compute(of: Market) -> FloatArray:
        reports = reports_of(of)
        equity = reports.value_by_session(reports.figure("equity"))
        return np.where(equity > 0.0, equity, np.nan) / market_value(of)

    return market.shared("book_to_market", compute)


def sales_yield(market: Market) -> FloatArray:
    """Revenue of the last four quarters over the market value."""
    reports = reports_of(market)
    return reports.value_by_session(reports.trailing_year(reports.figure("revenue"))) / market_value(market)


def _log_revenue_growth(reports: Reports) -> Figure:
    now = _positive(reports.figure("revenue"))
    before = reports.lagged(now, 4)
    return combined(np.log(now.value / before.value), now, before)


def revenue_growth(market: Market) -> FloatArray:
    """Quarterly revenue over that of the same quarter a year before, less one."""
    reports = reports_of(market)
    growth = _log_revenue_growth(reports)
    return reports.value_by_session(Figure(np.clip(np.expm1(growth.value), -1.0, _LIMIT), growth.known))


def revenue_trend(market: Market) -> FloatArray:
    """Slope of the logarithm of revenue over the last eight quarters, free of the season.

    The slope of a regression on time and on a constant for each of the four seasons. Eight quarters hold each season
    twice, so its least-squares slope is the mean of the four growths on the same quarter a year before; one of the
    four may be missing.
    """
    reports = reports_of(market)
    growth = _log_revenue_growth(reports)
    quarters = reports.earlier(growth, range(TREND_QUARTERS))
    count = np.isfinite(quarters).sum(axis=0)
    enough = (count >= TREND_QUARTERS_NEEDED) & np.isfinite(growth.value)
    slope = np.where(enough, np.nansum(quarters, axis=0) / np.maximum(count, 1), np.nan)
    return reports.value_by_session(Figure(slope, growth.known))


def _yearly_ratio(market: Market, over: str, under: str) -> FloatArray:
    reports = reports_of(market)
    above, below = (reports.trailing_year(reports.figure(name)) for name in (over, under))
    return reports.value_by_session(_ratio(above, below))


def net_margin(market: Market) -> FloatArray:
    """Net income over revenue of the last four quarters, where there was revenue."""
    return _yearly_ratio(market, "net_income", "revenue")


def operating_margin(market: Market) -> FloatArray:
    """Operating income over revenue of the last four quarters, where there was revenue."""
    return _yearly_ratio(market, "operating_income", "revenue")


def gross_margin(market: Market) -> FloatArray:
    """Gross profit over revenue of the last four quarters, where there was revenue."""
    return _yearly_ratio(market, "gross_profit", "revenue")


def return_on_equity(market: Market) -> FloatArray:
    """Net income of the last four quarters over the equity at their end, where that is positive."""
    reports = reports_of(market)
    return reports.value_by_session(
        _ratio(reports.trailing_year(reports.figure("net_income")), reports.figure("equity"))
    )


def accruals(market: Market) -> FloatArray:
    """Net income less operating cash flow of the last four quarters, over the total assets at their end."""
    reports = reports_of(market)
    income, cash = (reports.trailing_year(reports.figure(name)) for name in ("net_income", "operating_cf"))
    accrued = combined(income.value - cash.value, income, cash)
    return reports.value_by_session(_ratio(accrued, reports.figure("total_assets")))


def asset_growth(market: Market) -> FloatArray:
    """Total assets over those a year before, less one."""
    reports = reports_of(market)
    now = reports.figure("total_assets")
    before = _positive(reports.lagged(now, 4))
    growth = np.clip(now.value / before.value - 1.0, -1.0, _LIMIT)
    return reports.value_by_session(combined(growth, now, before))


FEATURES = (
    Feature(
        "earnings_yield",
        "fundamental",
        "Sum of the last four quarterly EPS / close",
        "fraction",
        635,
        "Basu 1977",
        earnings_yield,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "price_to_earnings",
        "fundamental",
        "Close / sum of the last four quarterly EPS, if positive",
        "1",
        635,
        "Basu 1977",
        price_to_earnings,
        needs=("fundamentals.eps",),
    ),
    Feature(
        "loss_making",
        "fundamental",
        "1 if the sum of the last four quarterly EPS is not positive",
        "0 or 1",
        635,
        "Hayn 1995",
        loss_making,
        needs=("fundamentals.eps",),
    ),
    Feature(
        "book_to_market",
        "fundamental",
        "Equity / (shares * close), if equity is positive",
        "1",
        270,
        "Fama & French 1992",
        book_to_market,
        needs=(
            "fundamentals.equity",
            "fundamentals.shares",
        ),
        ranked=True,
    ),
    Feature(
        "sales_yield",
        "fundamental",
        "Revenue of four quarters / (shares * close)",
        "1",
        635,
        "Barbee, Mukherji & Raines 1996",
        sales_yield,
        needs=(
            "fundamentals.revenue",
            "fundamentals.shares",
        ),
        ranked=True,
    ),
    Feature(
        "revenue_growth",
        "fundamental",
        "Revenue / revenue of the quarter a year before - 1, within -1 and 5",
        "fraction",
        730,
        "Jegadeesh & Livnat 2006",
        revenue_growth,
        needs=("fundamentals.revenue",),
        ranked=True,
    ),
    Feature(
        "revenue_trend",
        "fundamental",
        "Slope of log revenue on time and four seasons over the last 8 quarters",
        "log a year",
        1095,
        "Jegadeesh & Livnat 2006",
        revenue_trend,
        needs=("fundamentals.revenue",),
        ranked=True,
    ),
    Feature(
        "gross_margin",
        "fundamental",
        "Gross profit / revenue, both of four quarters, within +-5",
        "fraction",
        635,
        "Novy-Marx 2013",
        gross_margin,
        needs=(
            "fundamentals.gross_profit",
            "fundamentals.revenue",
        ),
        ranked=True,
    ),
    Feature(
        "operating_margin",
        "fundamental",
        "Operating income / revenue, both of four quarters, within +-5",
        "fraction",
        635,
        "Soliman 2008",
        operating_margin,
        needs=(
            "fundamentals.operating_income",
            "fundamentals.revenue",
        ),
        ranked=True,
    ),
    Feature(
        "net_margin",
        "fundamental",
        "Net income / revenue, both of four quarters, within +-5",
        "fraction",
        635,
        "Soliman 2008",
        net_margin,
        needs=(
            "fundamentals.net_income",
            "fundamentals.revenue",
        ),
        ranked=True,
    ),
    Feature(
        "return_on_equity",
        "fundamental",
        "Net income of four quarters / equity, within +-5",
        "fraction",
        635,
        "Haugen & Baker 1996",
        return_on_equity,
        needs=(
            "fundamentals.net_income",
            "fundamentals.equity",
        ),
        ranked=True,
    ),
    Feature(
        "accruals",
        "fundamental",
        "(Net income - operating cash flow, both of four quarters) / total assets",
        "fraction",
        635,
        "Sloan 1996; Hribar & Collins 2002",
        accruals,
        needs=(
            "fundamentals.net_income",
            "fundamentals.operating_cf",
            "fundamentals.total_assets",
        ),
        ranked=True,
    ),
    Feature(
        "asset_growth",
        "fundamental",
        "Total assets / total assets a year before - 1, within -1 and 5",
        "fraction",
        730,
        "Cooper, Gulen & Schill 2008",
        asset_growth,
        needs=("fundamentals.total_assets",),
        ranked=True,
    ),
)
