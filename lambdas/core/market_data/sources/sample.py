"""Real market data that packages on PyPI carry, so that a first run needs nothing but a package registry.

The files are read where the packages lie; none of the packages is imported.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.dataset import check_as_of, cut_dataset, select_symbols
from lambdas.core.market_data.panel import MarketDataset, panel_of
from lambdas.core.market_data.sources.protocol import Collected

STOCKS = ("skfolio", "skfolio/datasets/data/sp500_dataset.csv.gz")
SPY_RETURNS = ("zipline-reloaded", "zipline/resources/market_data/SPY_benchmark.csv")
TREASURY_CURVE = ("zipline-reloaded", "zipline/resources/market_data/treasury_curves.csv")
NASDAQ = ("arch", "arch/data/nasdaq/nasdaq.csv.gz")
VIX = ("arch", "arch/data/vix/vix.csv.gz")

_SECTORS = {
    "AAPL": ("Apple", "Information Technology"),
    "AMD": ("Advanced Micro Devices", "Information Technology"),
    "BAC": ("Bank of America", "Financials"),
    "BBY": ("Best Buy", "Consumer Discretionary"),
    "CVX": ("Chevron", "Energy"),
    "GE": ("General Electric", "Industrials"),
    "HD": ("Home Depot", "Consumer Discretionary"),
    "JNJ": ("Johnson & Johnson", "Health Care"),
    "JPM": ("JPMorgan Chase", "Financials"),
    "KO": ("Coca-Cola", "Consumer Staples"),
    "LLY": ("Eli Lilly", "Health Care"),
    "MRK": ("Merck", "Health Care"),
    "MSFT": ("Microsoft", "Information Technology"),
    "PEP": ("PepsiCo", "Consumer Staples"),
    "PFE": ("Pfizer", "Health Care"),
    "PG": ("Procter & Gamble", "Consumer Staples"),
    "RRC": ("Range Resources", "Energy"),
    "UNH": ("UnitedHealth Group", "Health Care"),
    "WMT": ("Walmart", "Consumer Staples"),
    "XOM": ("Exxon Mobil", "Energy"),
}
"""GICS sectors, public knowledge, written down for these 20 symbols: no package carries them."""

NOTES = (
    "sample: 20 large US companies that skfolio carries, chosen in hindsight; long-only results are flattered",
    "sample: closes are adjusted for dividends and splits; there are no opens, so trades happen at adjusted closes, "
    "and no volumes",
    "sample: SPY is compounded from the daily returns in zipline-reloaded, an index that begins at 100; it ends on "
    "2018-04-27 and so does the sample",
    "sample: those returns include dividends from 2013 on only; before, SPY is a price index and any outperformance "
    "of it is overstated by about 2 % a year",
    "sample: QQQ is the Nasdaq Composite, a price index without dividends (about 1 % a year too low) and a broader "
    "one; its line is no measure of the fund",
    "sample: IWM is missing: no package carries it",
    "sample: VIX begins on 2014-01-03; Treasury yields end on 2017-03-29, after which cash earns nothing; "
    "there is no dollar index and there are no fundamentals",
)


@dataclass(frozen=True)
class SampleSource:
    """20 large US stocks, 1993-01-29 to 2018-04-27, with SPY, a Nasdaq index, VIX and Treasury yields.

    The newest session is the last one that SPY has: no verdict is possible without the benchmark.
    """

    name: str = "sample"

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Read the files of the packages.

        Raises
        ------
        InvalidDatasetError
            If a package is not installed, or `as_of` lies outside the sample.
        """
        dataset = _sample()
        problems: dict[str, str] = {}
        if as_of is not None:
            check_as_of("the sample", as_of, dataset.sessions)
            dataset = cut_dataset(dataset, as_of)
        if symbols is not None:
            known = set(dataset.prices.symbols)
            problems = {symbol: f"not among {', '.join(sorted(known))}" for symbol in symbols if symbol not in known}
            dataset = select_symbols(dataset, symbols)
        return Collected(dataset, problems, dataset.notes)


def locate(package: str, path: str) -> Path:
    """File `path` of an installed distribution, which is not imported.

    Raises
    ------
    InvalidDatasetError
        If the distribution, or the file in it, is not there.
    """
    try:
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError as error:
        raise InvalidDatasetError(
            f"the sample data needs {path} from the package {package}, which is not installed; run `make setup`"
        ) from error
    if not file.is_file():
        raise InvalidDatasetError(f"package {package} does not carry {path} any more; run `make setup`")
    return file


@cache
def _sample() -> MarketDataset:
    # The returns begin on 1993-02-01, so the index begins at the close before: the day SPY was listed.
    spy_returns = _series(locate(*SPY_RETURNS), "return")
    spy = pd.concat([pd.Series([0.0], index=[pd.Timestamp("1993-01-29")]), spy_returns]).add(1.0).cumprod() * 100.0
    nasdaq = _series(locate(*NASDAQ), "Adj Close", date_format="%m/%d/%Y")
    stocks = pd.read_csv(locate(*STOCKS), index_col=0, parse_dates=True)
    stocks = stocks[(stocks.index >= spy.index[0]) & (stocks.index <= spy.index[-1])]
    prices = panel_of(_long(stocks))
    benchmarks = panel_of(_long(pd.DataFrame({"QQQ": nasdaq, "SPY": spy}))).on(prices.sessions)
    curve = pd.read_csv(locate(*TREASURY_CURVE), index_col=0, parse_dates=True).tz_localize(None) * 100.0
    macro = pd.DataFrame({"vix": _series(locate(*VIX), "vix", date_format="%m/%d/%Y").reindex(prices.sessions)})
    for name, column in (("ust3m", "3month"), ("ust2y", "2year"), ("ust10y", "10year")):
        macro[name] = curve[column].round(4).reindex(prices.sessions)
    securities = pd.DataFrame(
        [(symbol, *_SECTORS[symbol]) for symbol in prices.symbols], columns=["symbol", "name", "sector"]
    )
    return MarketDataset(
        prices=prices,
        benchmarks=benchmarks,
        macro=macro.rename_axis("date").reset_index(),
        securities=securities,
        notes=NOTES,
    )


def _series(file: Path, column: str, *, date_format: str | None = None) -> pd.Series:
    frame = pd.read_csv(file, index_col=0, na_values=".")  # FRED writes a point where there is no value.
    frame.index = pd.to_datetime(frame.index, format=date_format)
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.tz is not None:
        frame.index = frame.index.tz_localize(None)
    return frame[column].astype(float)


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    """Rows of the prices there are; the close is the adjusted one."""
    rows = wide.rename_axis(index="date").reset_index().melt("date", var_name="symbol", value_name="adj_close").dropna()
    return rows.assign(close=rows["adj_close"])
