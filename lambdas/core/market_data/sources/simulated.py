"""A simulated market with a planted signal of known strength, and a null market without one.

Prices are a market factor, sector factors, individual noise, earnings jumps and, in a market with a signal, a small
daily drift that differs between symbols and that features can find. By default the drift is the sum of two parts of
equal variance: one follows earnings surprises and fades with a time constant of two months (the post-earnings
announcement drift of Ball and Brown, 1968), one is a slow regime of half a year that shows in momentum, in the net
margin and in the growth of assets. `SignalShares` says how much of it which family of features can find.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidRequestError
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.dataset import check_as_of, cut_dataset, select_symbols
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset
from lambdas.core.market_data.point_in_time import information_times
from lambdas.core.market_data.sources import simulated_bars, simulated_fundamentals
from lambdas.core.market_data.sources.protocol import Collected

SECTORS = ("Energy", "Financials", "Health Care", "Industrials", "Information Technology", "Utilities")
HORIZON = 21
"""Sessions of forward return that `signal_rank_ic` is about."""

BURN_IN_DAYS = 920
"""Simulated before the first date, so that momentum and trailing earnings exist on it."""

_MARKET_DRIFT = 0.13
_MARKET_VOLATILITY = 0.125
_SECTOR_VOLATILITY = 0.05
_SURPRISE_DECAY = 42.0
_REGIME_DECAY = 180.0
_JUMP = 0.03
_PER_YEAR = 252
_TREND_SESSIONS = 63
_DOLLAR_BETA = 0.004
"""Return of a symbol of exposure 1 on a day on which the dollar rises by one standard deviation."""


@dataclass(frozen=True)
class SignalShares:
    """How the variance of the hidden drift is shared out among the families of features that can find it.

    Attributes
    ----------
    fundamental : float
        Drift after earnings surprises, for two months.
    technical : float
        A slow regime of each symbol, which momentum shows; with a fundamental share net margin and asset growth too.
    sector : float
        A slow regime of each sector, which its strength against the market shows.
    macro : float
        Symbols move with the dollar, each to its own degree, and go on in the direction of its last 63 sessions.
    """

    fundamental: float = 0.5
    technical: float = 0.5
    sector: float = 0.0
    macro: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are no shares."""
        shares = (self.fundamental, self.technical, self.sector, self.macro)
        if min(shares) < 0.0 or not np.isclose(sum(shares), 1.0):
            raise InvalidRequestError(f"the signal shares {shares} of a simulated market are not positive parts of 1")


@dataclass(frozen=True)
class SimulatedMarket:
    """A simulated data set with what is hidden in it.

    Attributes
    ----------
    dataset : MarketDataset
        What a source would deliver.
    expected_return : ndarray of shape (n_sessions, n_symbols)
        Drift over the next 21 sessions that is expected at each close, beyond the market's; zero in a null market.
    missed_splits : DataFrame
        symbol, date, ratio of the splits that stand in the prices unadjusted.
    """

    dataset: MarketDataset
    expected_return: FloatArray
    missed_splits: pd.DataFrame


@dataclass(frozen=True)
class SimulatedSource:
    """A market of `n_symbols` in which the hidden expected return has a rank IC of `signal_rank_ic`.

    Attributes
    ----------
    seed : int
        Decides every path. The same seed gives the same market on every machine.
    n_symbols : int
        With 100 the top tenth is broad enough that chance alone rarely hides the signal in a holdout of 90 days: a
        plain LightGBM passed every gate in 8 of 8 markets, with 60 symbols in 6 of 8.
    signal_rank_ic : float
        Mean over dates of the Spearman correlation between the hidden expected return and the return of the next 21
        sessions; 0 is a null market, in which nothing can be predicted.
    shares : SignalShares
        Which families of features can find how much of it.
    delisted_share : float
        Share of symbols whose prices end early (at least one, unless it is 0).
    missing_reports : float
        Share of quarterly reports that are not there.
    missed_splits : int
        Splits that the vendor forgot to adjust, for tests of the quality report. The others leave no trace: bars are on
        the share count of the last day, as Yahoo's are.
    """

    seed: int = 0
    n_symbols: int = 100
    signal_rank_ic: float = 0.25
    first: dt.date = dt.date(2010, 1, 4)
    last: dt.date = dt.date(2019, 12, 31)
    shares: SignalShares = SignalShares()
    delisted_share: float = 0.05
    missing_reports: float = 0.015
    missed_splits: int = 0
    name: str = "simulated"

    def __post_init__(self) -> None:
        """Refuse a market that cannot be simulated."""
        if not 5 <= self.n_symbols <= 9999 or not 0.0 <= self.signal_rank_ic <= 0.6:
            raise InvalidRequestError("a simulated market has 5 to 9999 symbols and a signal_rank_ic from 0 to 0.6")
        if not (0.0 <= self.delisted_share <= 0.5 and 0.0 <= self.missing_reports < 1.0):
            raise InvalidRequestError(
                "a simulated market has up to half its symbols delisted and not all reports missing"
            )
        if not 0 <= self.missed_splits <= self.n_symbols // 2:
            raise InvalidRequestError("a simulated market misses splits of up to half of its symbols")
        if (self.last - self.first).days < 365:
            raise InvalidRequestError(f"{self.first} to {self.last} is too short for a market; simulate a year or more")

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Simulate the market and hand out `symbols` of it, as known at `as_of`."""
        dataset = _market(self).dataset
        problems: dict[str, str] = {}
        if as_of is not None:
            check_as_of("the simulated market", as_of, dataset.sessions)
            dataset = cut_dataset(dataset, as_of)
        if symbols is not None:
            known = set(dataset.prices.symbols)
            problems = {symbol: "no such symbol in the simulated market" for symbol in symbols if symbol not in known}
            dataset = select_symbols(dataset, symbols)
        return Collected(dataset, problems, dataset.notes)

    def market(self) -> SimulatedMarket:
        """Simulate the whole market, with its hidden expected return."""
        return _market(self)


@lru_cache(maxsize=2)
def _market(source: SimulatedSource) -> SimulatedMarket:
    market_rng, noise_rng, signal_rng, report_rng, extra_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(source.seed).spawn(5)
    )
    sessions = sessions_in(source.first - dt.timedelta(days=BURN_IN_DAYS), source.last)
    burn_in = int(sessions.searchsorted(pd.Timestamp(source.first)))
    n_sessions, n_symbols = len(sessions), source.n_symbols
    symbols = tuple(f"SIM{number:0{max(2, len(str(n_symbols)))}d}" for number in range(1, n_symbols + 1))
    sector = np.arange(n_symbols) % len(SECTORS)
    alive = _life(market_rng, n_sessions, n_symbols, burn_in, source.delisted_share)

    reports = simulated_fundamentals.schedule(report_rng, symbols, sessions)
    volatility, market = _market_factor(market_rng, n_sessions)
    macro = simulated_bars.macro(market_rng, sessions, volatility)
    surprise, regime, jumps = _hidden_state(signal_rng, reports, sessions, n_symbols)
    noise = _noise(noise_rng, volatility, market, sector, n_symbols) + jumps
    # Expected over the horizon: what is left of each part on average, and nothing of surprises still to come.
    state = _weighted(source.shares, surprise, regime)
    expected = _weighted(source.shares, _mean_decay(_SURPRISE_DECAY) * surprise, _mean_decay(_REGIME_DECAY) * regime)
    if source.shares.sector > 0.0:
        of_sector = _autoregressive(extra_rng, n_sessions, len(SECTORS), _REGIME_DECAY)[:, sector]
        state = state + np.sqrt(source.shares.sector) * of_sector
        expected = expected + np.sqrt(source.shares.sector) * _mean_decay(_REGIME_DECAY) * of_sector
    if source.shares.macro > 0.0:
        exposure = extra_rng.standard_normal(n_symbols)
        of_dollar, day = _dollar_trend(macro["dxy"].to_numpy())
        noise = noise + _DOLLAR_BETA * day[:, np.newaxis] * exposure
        state = state + np.sqrt(source.shares.macro) * of_dollar[:, np.newaxis] * exposure
        left = 1.0 - (HORIZON - 1) / 2.0 / _TREND_SESSIONS  # A sum of 63 steps loses one a session.
        expected = expected + np.sqrt(source.shares.macro) * left * of_dollar[:, np.newaxis] * exposure
    mean = np.where(alive, state, 0.0).sum(axis=1, keepdims=True) / alive.sum(axis=1, keepdims=True)
    expected = expected - mean
    scale = _drift_scale(source.signal_rank_ic, expected[burn_in:], noise[burn_in:], (state - mean)[burn_in:])
    drift = np.zeros_like(noise)
    drift[1:] = scale * (state - mean)[:-1]
    returns = np.maximum(np.expm1(noise + drift), -0.9)

    prices, market_return = simulated_bars.bars(noise_rng, sessions, symbols, returns, jumps, alive)
    fundamentals = simulated_fundamentals.figures(
        report_rng,
        reports,
        prices,
        regime,
        informative=scale > 0.0 and min(source.shares.fundamental, source.shares.technical) > 0.0,
        missing=source.missing_reports,
    )
    prices, missed = simulated_bars.with_missed_splits(extra_rng, prices, source.missed_splits, burn_in)
    dataset = MarketDataset(
        prices=prices.on(sessions[burn_in:]),
        benchmarks=simulated_bars.benchmarks(noise_rng, sessions, market_return).on(sessions[burn_in:]),
        macro=macro.iloc[burn_in:].reset_index(drop=True),
        fundamentals=fundamentals,
        securities=pd.DataFrame(
            {
                "symbol": symbols,
                "name": [f"Simulated company {number}" for number in range(1, n_symbols + 1)],
                "sector": [SECTORS[code] for code in sector],
                "industry": [SECTORS[code] for code in sector],
            }
        ),
        membership=_membership(sessions, symbols, alive),
        notes=(
            f"simulated market, seed {source.seed}, with a planted signal of rank IC {source.signal_rank_ic:g}: "
            "no result on it says anything about real markets",
        ),
    )
    return SimulatedMarket(dataset, np.where(alive, HORIZON * scale * expected, np.nan)[burn_in:], missed)


def _weighted(shares: SignalShares, surprise: FloatArray, regime: FloatArray) -> FloatArray:
    """Parts of the drift that belong to single symbols."""
    if shares.fundamental == shares.technical:
        return np.asarray(np.sqrt(shares.fundamental) * (surprise + regime))
    return np.asarray(np.sqrt(shares.fundamental) * surprise + np.sqrt(shares.technical) * regime)


def _dollar_trend(dollar: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Change of the dollar index over 63 sessions and over one, both in standard deviations; 0 before they exist."""
    daily = np.diff(np.log(dollar), prepend=np.log(dollar[0]))
    daily = daily / daily.std()
    total = np.concatenate([[0.0], daily.cumsum()])
    trend = np.zeros(len(daily))
    trend[_TREND_SESSIONS - 1 :] = (total[_TREND_SESSIONS:] - total[:-_TREND_SESSIONS]) / np.sqrt(_TREND_SESSIONS)
    return trend, daily


def _life(rng: np.random.Generator, n_sessions: int, n_symbols: int, burn_in: int, delisted_share: float) -> BoolArray:
    """Which symbols are listed when: one in twenty comes late, others go early."""
    row = np.arange(n_sessions)[:, np.newaxis]
    few = max(1, n_symbols // 20)
    gone = max(1, int(n_symbols * delisted_share)) if delisted_share else 0
    chosen = rng.permutation(n_symbols)
    starts, ends = np.zeros(n_symbols, dtype=np.int64), np.full(n_symbols, n_sessions)
    span = n_sessions - burn_in
    starts[chosen[:few]] = burn_in + rng.integers(span // 10, span // 2, few)
    ends[chosen[few : few + gone]] = burn_in + rng.integers(span // 3, span * 9 // 10, gone)
    return np.asarray((row >= starts) & (row < ends))


def _membership(sessions: pd.DatetimeIndex, symbols: Sequence[str], alive: BoolArray) -> pd.DataFrame:
    """Members from their first to their last session; without an end while they are listed."""
    first, last = alive.argmax(axis=0), len(alive) - 1 - alive[::-1].argmax(axis=0)
    gone = last < len(sessions) - 1
    end = np.where(gone, sessions.to_numpy()[np.minimum(last + 1, len(sessions) - 1)], np.datetime64("NaT", "ns"))
    return pd.DataFrame({"symbol": symbols, "start": sessions[first], "end": end})


def _market_factor(rng: np.random.Generator, n_sessions: int) -> tuple[FloatArray, FloatArray]:
    """Daily volatility with slow swings, and log returns of the market factor.

    The sample mean of the factor is set to its drift: a seed changes the path, not the premium, so that what a run on
    this market shows is the signal's doing.
    """
    swings = _autoregressive(rng, n_sessions, 1, 45.0)[:, 0]
    volatility = np.exp(0.3 * swings - 0.045) * _MARKET_VOLATILITY / np.sqrt(_PER_YEAR)
    shocks = volatility * rng.standard_normal(n_sessions)
    return volatility, shocks - shocks.mean() + (_MARKET_DRIFT - 0.5 * _MARKET_VOLATILITY**2) / _PER_YEAR


def _hidden_state(
    rng: np.random.Generator, reports: pd.DataFrame, sessions: pd.DatetimeIndex, n_symbols: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Surprise part and regime part of the drift, both of unit variance, and the jumps on announcements."""
    n_sessions = len(sessions)
    known = information_times(reports).announced.astype("datetime64[ns]")
    rows = sessions.searchsorted(known)
    inside = (rows < n_sessions) & (known >= sessions[0].to_datetime64())
    rows, columns = rows[inside], reports["column"].to_numpy()[inside]
    surprises = reports["surprise"].to_numpy()[inside]
    newest = np.zeros((n_sessions, n_symbols))
    jumps = np.zeros((n_sessions, n_symbols))
    age = _sessions_since(rows, columns, n_sessions, n_symbols)
    newest[rows, columns] = surprises
    held = np.maximum.accumulate(np.where(age == 0, np.arange(n_sessions)[:, np.newaxis], 0), axis=0)
    newest = np.take_along_axis(newest, held, axis=0)
    jumps[rows, columns] = _JUMP * (0.5 * surprises + np.sqrt(0.75) * rng.standard_normal(len(rows)))
    quarter = 63.0
    norm = np.sqrt(_SURPRISE_DECAY / (2 * quarter) * (1 - np.exp(-2 * quarter / _SURPRISE_DECAY)))
    surprise = np.where(age < n_sessions, newest * np.exp(-np.minimum(age, n_sessions) / _SURPRISE_DECAY) / norm, 0.0)
    return surprise, _autoregressive(rng, n_sessions, n_symbols, _REGIME_DECAY), jumps


def _sessions_since(rows: IntArray, columns: IntArray, n_sessions: int, n_symbols: int) -> IntArray:
    """Sessions since the last event of each symbol; `n_sessions` where there was none yet."""
    last = np.full((n_sessions, n_symbols), -1)
    last[rows, columns] = rows
    last = np.maximum.accumulate(last, axis=0)
    return np.where(last < 0, n_sessions, np.arange(n_sessions)[:, np.newaxis] - last)


def _noise(
    rng: np.random.Generator, volatility: FloatArray, market: FloatArray, sector: IntArray, n_symbols: int
) -> FloatArray:
    """Log returns without the signal: market, sector and individual noise with fat tails."""
    n_sessions = len(market)
    beta = rng.uniform(0.75, 1.25, n_symbols)
    beta /= beta.mean()
    sectors = rng.standard_normal((n_sessions, len(SECTORS))) * _SECTOR_VOLATILITY / np.sqrt(_PER_YEAR)
    own = rng.uniform(0.22, 0.32, n_symbols) / np.sqrt(_PER_YEAR)
    tails = rng.standard_t(6, (n_sessions, n_symbols)) / np.sqrt(1.5)
    level = 0.5 + 0.5 * volatility / volatility.mean()
    # Minus half the variance: a noisy symbol shall not earn more than a calm one for its noise alone.
    individual = own * level[:, np.newaxis] * tails - 0.5 * (own * level[:, np.newaxis]) ** 2
    return np.asarray(market[:, np.newaxis] * beta + sectors[:, sector] + individual)


def _drift_scale(rank_ic: float, expected: FloatArray, noise: FloatArray, state: FloatArray) -> float:
    """Daily drift of one unit of state for which the measured rank IC is `rank_ic`.

    A first guess from the Pearson correlation of normal variables, rho = 2 sin(pi r / 6), then three secant-like
    corrections with the rank IC measured on every fifth date.
    """
    if rank_ic == 0.0:
        return 0.0
    noise_ahead, drift_ahead = _forward_sum(noise)[::5], _forward_sum(state, shift=0)[::5]
    signal = expected[::5][: len(noise_ahead)]
    rho = 2 * np.sin(np.pi * rank_ic / 6)
    scale = rho / np.sqrt(1 - rho**2) * noise_ahead.std(axis=1).mean() / (HORIZON * signal.std(axis=1).mean())
    base = _rank_ic(signal, noise_ahead)
    for _ in range(3):
        measured = _rank_ic(signal, noise_ahead + scale * drift_ahead)
        scale *= float(np.clip((rank_ic - base) / max(measured - base, 1e-3), 0.5, 2.0))
    return float(scale)


def rank_ic(signal: FloatArray, outcome: FloatArray) -> float:
    """Mean over dates of the Spearman correlation across symbols, of symbols that have both."""
    values = [
        _rank_ic(row[np.newaxis, both], ahead[np.newaxis, both])
        for row, ahead in zip(signal, outcome, strict=True)
        if (both := np.isfinite(row) & np.isfinite(ahead)).sum() >= 5
    ]
    return float(np.nanmean(values)) if values else float("nan")


def _rank_ic(signal: FloatArray, outcome: FloatArray) -> float:
    from scipy.stats import rankdata  # more than half a second to import, and only this source needs it

    ranks = [rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (signal, outcome)]
    covariance = (ranks[0] * ranks[1]).sum(axis=1)
    return float((covariance / np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))).mean())


def _forward_sum(values: FloatArray, shift: int = 1) -> FloatArray:
    """Sum of the `HORIZON` rows from `shift` rows ahead."""
    total = np.vstack([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
    n_rows = len(values) - HORIZON
    return np.asarray(total[shift + HORIZON :][:n_rows] - total[shift:][:n_rows])


def _mean_decay(time_constant: float) -> float:
    """Mean over the horizon of what is left of a state that fades with `time_constant` sessions."""
    return float(np.exp(-np.arange(HORIZON) / time_constant).mean())


def _autoregressive(rng: np.random.Generator, n_rows: int, n_columns: int, time_constant: float) -> FloatArray:
    """Stationary first-order autoregressions of unit variance that forget within `time_constant` rows."""
    keep = np.exp(-1.0 / time_constant)
    shocks = rng.standard_normal((n_rows, n_columns)) * np.sqrt(1 - keep**2)
    values = np.empty((n_rows, n_columns))
    values[0] = rng.standard_normal(n_columns)
    for row in range(1, n_rows):
        values[row] = keep * values[row - 1] + shocks[row]
    return values
