"""A run of sessions of a simulation against each benchmark, every figure with its bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest import metrics
from lambdas.core.backtest.bootstrap import resampled_sums, widening
from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS, annual_mean, drawdown_bound
from lambdas.core.backtest.hits import hits_by_date
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.backtest.run import Backtest, daily_returns
from lambdas.core.labels import MARKET, trade_prices_of_benchmark
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.validation.attribution import attribute
from lambdas.core.validation.paired import estimate
from lambdas.core.validation.values import BenchmarkComparison, Estimate, SliceComparison
from lambdas.core.values import PortfolioMetrics


def compare_with_market(backtest: Backtest, first: int, last: int) -> SliceComparison:
    """Compare the closes and decisions from session `first` to session `last` with every benchmark.

    Bounds are those of the stationary bootstrap over sessions (definitions, section 7), one-sided at the confidence of
    the settings; the joint regression has Newey-West errors of the horizon. Spans of fewer than two blocks have none.

    Parameters
    ----------
    backtest : Backtest
    first, last : int
        Sessions, ``backtest.first <= first < last <= backtest.last``.
    """
    found = slice_metrics(backtest, first, last)
    span = _Span.of(backtest, first, last)
    own = span.sums(np.column_stack([np.log1p(span.own), span.excess, span.excess**2]))
    hit = backtest.outcomes.hit(backtest.settings.gates.hit_definition)
    hit_rate, base_rate = _hit_rate(span, hit)
    joint_alpha, joint_beta = _joint_regression(span)
    return SliceComparison(
        first_session=backtest.day(first),
        last_session=backtest.day(last),
        n_sessions=last - first,
        total_return=span.estimate(found.total_return, None if own is None else np.expm1(own[:, 0])),
        sharpe_ratio=span.estimate(found.sharpe_ratio, None if own is None else _sharpe(own[:, 1], own[:, 2], span)),
        max_drawdown=Estimate(
            value=found.max_drawdown,
            upper=drawdown_bound(span.own, backtest.settings.portfolio.horizon, backtest.settings.evidence),
        ),
        hit_rate=hit_rate,
        base_rate=base_rate,
        benchmarks=tuple(_against(span, symbol, found) for symbol in span.benchmarks),
        joint_alpha=joint_alpha,
        joint_beta=joint_beta,
        attribution=attribute(backtest, first, last),
    )


@dataclass(frozen=True)
class _Span:
    """Daily figures of the sessions after `first`, shape (n_sessions,), and how they are resampled."""

    backtest: Backtest
    first: int
    last: int
    own: FloatArray
    cash: FloatArray
    benchmarks: dict[str, FloatArray]

    @classmethod
    def of(cls, backtest: Backtest, first: int, last: int) -> _Span:
        rows = slice(first - backtest.first, last - backtest.first)
        return cls(
            backtest,
            first,
            last,
            backtest.portfolio.returns[rows],
            backtest.portfolio.cash_rate[1:][rows],
            {symbol: daily_returns(curve[first : last + 1]) for symbol, curve in sorted(backtest.benchmarks.items())},
        )

    @property
    def excess(self) -> FloatArray:
        return self.own - self.cash

    @property
    def n_sessions(self) -> int:
        return self.last - self.first

    def sums(self, columns: FloatArray) -> FloatArray | None:
        """Return sums of the resamples; the same sessions in each call. None for fewer than two blocks."""
        settings = self.backtest.settings
        if len(columns) < MIN_BLOCKS * settings.portfolio.horizon:
            return None
        draws = settings.evidence.bootstrap_draws
        return resampled_sums(columns, settings.portfolio.horizon, draws, BOOTSTRAP_SEED)

    def estimate(self, value: float | None, resampled: FloatArray | None, *, overlap: int = 1) -> Estimate:
        """Return a value with the bounds that its resamples give; `overlap` as `widening` has it."""
        settings = self.backtest.settings
        confidence, block = settings.evidence.confidence, settings.portfolio.horizon
        widen = 1.0 if resampled is None else widening(self.n_sessions, block, overlap, confidence)
        return estimate(value, resampled, confidence, widen)


def _against(span: _Span, symbol: str, found: PortfolioMetrics) -> BenchmarkComparison:
    """Compare with one benchmark; all figures are functions of sums over sessions."""
    market = span.benchmarks[symbol]
    excess, market_excess = span.excess, market - span.cash
    rose, fell = market > 0.0, market < 0.0
    columns = np.column_stack(
        [
            np.log1p(span.own),
            np.log1p(market),
            span.own - market,
            excess,
            market_excess,
            excess * market_excess,
            market_excess**2,
            np.where(rose, span.own, 0.0),
            np.where(rose, market, 0.0),
            np.where(fell, span.own, 0.0),
            np.where(fell, market, 0.0),
        ]
    )
    sums = span.sums(columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = None if sums is None else _figures(sums, span.n_sessions)
        # The estimates are the same functions of the sums over the sessions themselves.
        whole = _figures(columns.sum(axis=0, keepdims=True), span.n_sessions)
    hit_rate, base_rate = _hit_rate(span, _beats(span.backtest, symbol))

    def figure(name: str, known: float | None) -> Estimate:
        return span.estimate(known, None if resampled is None else resampled[name])

    curve = span.backtest.benchmarks[symbol][span.first : span.last + 1]
    return BenchmarkComparison(
        benchmark=symbol,
        benchmark_return=found.benchmark_return[symbol],
        benchmark_sharpe_ratio=metrics.sharpe_ratio(market_excess),
        benchmark_max_drawdown=metrics.max_drawdown(curve),
        market_outperformance=figure("outperformance", found.market_outperformance[symbol]),
        active_return=figure("active", annual_mean(span.own - market)),
        alpha=figure("alpha", found.alpha.get(symbol)),
        beta=figure("beta", found.beta.get(symbol)),
        up_capture=figure("up", _number(whole["up"][0])),
        down_capture=figure("down", _number(whole["down"][0])),
        hit_rate=hit_rate,
        base_rate=base_rate,
    )


def _figures(sums: FloatArray, n: int) -> dict[str, FloatArray]:
    """Figures of each row of sums, in the order of the columns of `_against`."""
    own_log, market_log, active, y, x, xy, xx, own_up, up, own_down, down = sums.T
    beta = (n * xy - x * y) / (n * xx - x**2)
    own_total, market_total = np.expm1(own_log), np.expm1(market_log)
    if n > SESSIONS_PER_YEAR:
        own_total, market_total = (np.expm1(log * SESSIONS_PER_YEAR / n) for log in (own_log, market_log))
    return {
        "outperformance": own_total - market_total,
        "active": active / n * SESSIONS_PER_YEAR,
        "alpha": (y - beta * x) / n * SESSIONS_PER_YEAR,
        "beta": beta,
        "up": own_up / up,
        "down": own_down / down,
    }


def _sharpe(total: FloatArray, squares: FloatArray, span: _Span) -> FloatArray:
    n = span.n_sessions
    mean = total / n
    variance = (squares - n * mean**2) / (n - 1)
    varies = variance > metrics.NO_VARIATION**2
    ratio = np.full_like(mean, np.nan)
    np.divide(mean, np.sqrt(variance, where=varies, out=np.ones_like(mean)), out=ratio, where=varies)
    return np.asarray(ratio * np.sqrt(SESSIONS_PER_YEAR))


def _beats(backtest: Backtest, symbol: str) -> FloatArray:
    """1.0 where the net return of a decision beat the benchmark's between the same opens, shape as the outcomes."""
    if symbol == MARKET:
        return backtest.outcomes.relative_hit
    trade, horizon = trade_prices_of_benchmark(backtest.dataset, symbol), backtest.settings.portfolio.horizon
    gained = np.full(len(trade), np.nan)
    gained[: -1 - horizon] = trade[1 + horizon :] / trade[1:-horizon] - 1.0
    net = backtest.outcomes.net
    known = np.isfinite(net) & np.isfinite(gained)[:, np.newaxis]
    return np.where(known, (net > gained[:, np.newaxis]).astype(np.float64), np.nan)


def _hit_rate(span: _Span, hit: FloatArray) -> tuple[Estimate, float | None]:
    """Hit rate of the decisions of a span with its bounds, and the base rate."""
    backtest = span.backtest
    rows, part = slice(span.first, span.last + 1), slice(span.first - backtest.first, span.last - backtest.first + 1)
    hits = hits_by_date(hit[rows], backtest.recommended[rows], backtest.eligible[rows], backtest.groups[part])
    matured = backtest.matured[rows]
    sums = span.sums(np.column_stack([hits.hits, hits.n_matured])[matured])
    resampled = None
    if sums is not None:
        resampled = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return span.estimate(hits.hit_rate, resampled, overlap=backtest.settings.portfolio.horizon), hits.base_rate


def _joint_regression(span: _Span) -> tuple[Estimate, dict[str, Estimate]]:
    """Alpha and betas of one regression on all benchmarks, with bounds of the normal distribution."""
    from scipy.special import ndtri

    symbols = list(span.benchmarks)
    design = np.column_stack([span.benchmarks[symbol] - span.cash for symbol in symbols])
    fit = metrics.regress(span.excess, design, span.backtest.settings.portfolio.horizon)
    if fit is None:
        return Estimate(value=None), {}
    quantile = float(ndtri(span.backtest.settings.evidence.confidence))

    def bounded(value: float, error: float) -> Estimate:
        return Estimate(value=value, lower=value - quantile * error, upper=value + quantile * error)

    betas = zip(symbols, fit.beta, fit.beta_standard_error, strict=True)
    return bounded(fit.alpha, fit.alpha_standard_error), {
        symbol: bounded(value, error) for symbol, value, error in betas
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
