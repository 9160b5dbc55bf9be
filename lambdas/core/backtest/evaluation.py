"""What a file of predictions is worth: one simulation, its slices, its metrics and the evidence behind them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from lambdas.core.backtest import metrics
from lambdas.core.backtest.breakdown import by_fold, by_regime, by_sector, by_year, monthly_returns, quantile_returns
from lambdas.core.backtest.evidence import pooled_evidence
from lambdas.core.backtest.hits import effective_n
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR, delisted_held
from lambdas.core.backtest.run import Backtest, daily_returns, run_backtest
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.core.values import DailySeries, Evaluation, PortfolioMetrics, TrialEvidence


def evaluate_predictions(
    dataset: MarketDataset,
    predictions: pd.DataFrame,
    settings: ModelSettings,
    *,
    n_trials: int | None,
    trials: TrialEvidence | None = None,
    holdout_first: dt.date | None = None,
) -> Evaluation:
    """Backtest predictions and weigh the result.

    Parameters
    ----------
    dataset : MarketDataset
    predictions : DataFrame
        date, symbol, probability; optional `recommended` and `fold` (see `align_predictions`).
    settings : ModelSettings
    n_trials : int or None
        Configurations ever scored, from the trial ledger; None leaves the deflated Sharpe ratio unknown.
    trials : TrialEvidence, optional
        What the searches behind the predictions looked at, see `weigh_trials`; without it trials count as
        independent, and PBO and SPA stay unknown.
    holdout_first : date, optional
        First decision of the holdout, for its slice.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidPredictionsError, InvalidDatasetError, InsufficientHistoryError
        Input that cannot be used: see `align_predictions` and `run_backtest`.
    """
    backtest = run_backtest(dataset, predictions, settings)
    return evaluation_of(backtest, n_trials=n_trials, trials=trials, holdout_first=holdout_first)


def evaluation_of(
    backtest: Backtest,
    *,
    n_trials: int | None,
    trials: TrialEvidence | None = None,
    holdout_first: dt.date | None = None,
) -> Evaluation:
    """Collect metrics, slices and evidence of a simulation that was run."""
    first, last = backtest.first, backtest.last
    active = backtest.portfolio.returns - daily_returns(backtest.benchmarks[MARKET][first : last + 1])
    matured = backtest.matured[first : last + 1]
    trailing_first = max(first, last - SESSIONS_PER_YEAR)
    holdout = None if holdout_first is None else backtest.session_of(holdout_first)
    return Evaluation(
        pooled=slice_metrics(backtest, first, last),
        trailing=slice_metrics(backtest, trailing_first, last),
        holdout=None if holdout is None else slice_metrics(backtest, holdout, last),
        evidence=pooled_evidence(
            backtest.hits,
            matured,
            backtest.portfolio.excess_returns,
            active,
            horizon=backtest.settings.portfolio.horizon,
            settings=backtest.settings.evidence,
            n_trials=n_trials,
            trials=trials,
            trailing_sessions=last - trailing_first,
            returns=backtest.portfolio.returns,
            holdout_sessions=0 if holdout is None else last - holdout,
        ),
        by_fold=by_fold(backtest),
        by_year=by_year(backtest),
        by_sector=by_sector(backtest),
        by_regime=by_regime(backtest),
        monthly=monthly_returns(backtest),
        quantiles=quantile_returns(backtest),
        series=_series(backtest),
        notes=_notes(backtest),
    )


def slice_metrics(backtest: Backtest, first: int, last: int) -> PortfolioMetrics:
    """Metrics of a slice of the simulation, from the close of session `first` to that of session `last`.

    Recommendations are those of the decisions first, ..., last; returns are those of the sessions after `first`. For
    ``first == backtest.first`` the first return of a benchmark starts at the open, as the portfolio's does.

    Parameters
    ----------
    backtest : Backtest
    first, last : int
        Sessions, ``backtest.first <= first <= last <= backtest.last``.
    """
    portfolio, horizon = backtest.portfolio, backtest.settings.portfolio.horizon
    begin, end = first - backtest.first, last - backtest.first + 1
    equity = portfolio.equity[begin:end]
    excess = portfolio.excess_returns[begin : end - 1]
    n_sessions = last - first
    hits = backtest.hits.span(begin, end)
    absolute, relative = backtest.absolute.span(begin, end), backtest.relative.span(begin, end)
    total = metrics.total_return(equity)
    benchmark_return = {
        symbol: metrics.total_return(curve[first : last + 1]) for symbol, curve in sorted(backtest.benchmarks.items())
    }
    rank_ic, icir = metrics.mean_and_ratio(backtest.rank_ic[begin:end])
    mature = backtest.matured[first : last + 1]
    return PortfolioMetrics(
        first_session=backtest.day(first),
        last_session=backtest.day(last),
        n_sessions=n_sessions,
        hit_rate=hits.hit_rate,
        base_rate=hits.base_rate,
        skill=hits.skill,
        matched_base_rate=hits.matched_base_rate,
        matched_skill=hits.matched_skill,
        absolute_hit_rate=absolute.hit_rate,
        absolute_base_rate=absolute.base_rate,
        relative_hit_rate=relative.hit_rate,
        relative_base_rate=relative.base_rate,
        n_recommendations=int(hits.n_recommended.sum()),
        n_matured=int(hits.n_matured.sum()),
        effective_n=effective_n(hits.hits[mature], hits.n_matured[mature], mean_block=horizon),
        total_return=total,
        cagr=metrics.annualised(total, n_sessions),
        volatility=metrics.volatility(portfolio.returns[begin : end - 1]),
        sharpe_ratio=metrics.sharpe_ratio(excess),
        sharpe_ratio_lo=metrics.sharpe_ratio_lo(excess, horizon),
        sortino_ratio=metrics.sortino_ratio(excess),
        max_drawdown=metrics.max_drawdown(equity),
        market_outperformance={
            symbol: metrics.market_outperformance(total, value, n_sessions)
            for symbol, value in benchmark_return.items()
        },
        benchmark_return=dict(benchmark_return),
        turnover=metrics.turnover(portfolio.traded[begin + 1 : end], portfolio.equity[begin + 1 : end]),
        exposure=metrics.exposure(portfolio.invested[begin + 1 : end], portfolio.equity[begin + 1 : end]),
        rank_ic=rank_ic,
        icir=icir,
        delisted_held=delisted_held(backtest.dataset.prices, backtest.recommended, portfolio, (first, last)),
        **_regressions(backtest, first, last),
    )


def _regressions(backtest: Backtest, first: int, last: int) -> dict[str, dict[str, float | None]]:
    """Alpha and beta against each benchmark on its own, and against all of them together."""
    begin, end = first - backtest.first, last - backtest.first
    excess = backtest.portfolio.excess_returns[begin:end]
    cash = backtest.portfolio.cash_rate[begin + 1 : end + 1]
    symbols = sorted(backtest.benchmarks)
    factors = np.column_stack(
        [daily_returns(backtest.benchmarks[symbol][first : last + 1]) - cash for symbol in symbols]
    )
    horizon = backtest.settings.portfolio.horizon
    joint = metrics.regress(excess, factors, horizon)
    single = {symbol: metrics.regress(excess, factors[:, [j]], horizon) for j, symbol in enumerate(symbols)}
    fits = {**single, "joint": joint}
    return {
        "alpha": {name: fit.alpha if fit else None for name, fit in fits.items()},
        "alpha_standard_error": {name: fit.alpha_standard_error if fit else None for name, fit in fits.items()},
        "beta": {symbol: fit.beta[0] if fit else None for symbol, fit in single.items()},
        "joint_beta": {symbol: joint.beta[j] if joint else None for j, symbol in enumerate(symbols)},
    }


def _series(backtest: Backtest) -> DailySeries:
    span, portfolio = slice(backtest.first, backtest.last + 1), backtest.portfolio
    return DailySeries(
        sessions=tuple(day.date() for day in backtest.dataset.sessions[span]),
        equity=tuple(portfolio.equity.tolist()),
        benchmarks={symbol: tuple(curve[span].tolist()) for symbol, curve in sorted(backtest.benchmarks.items())},
        exposure=tuple((portfolio.invested / portfolio.equity).tolist()),
        cash_rate=tuple(portfolio.cash_rate.tolist()),
        n_recommendations=tuple(backtest.recommended[span].sum(axis=1).tolist()),
    )


def _notes(backtest: Backtest) -> tuple[str, ...]:
    """Say what was left out or cannot be measured; silence would read as approval."""
    span = slice(backtest.first, backtest.last + 1)
    given = np.isfinite(backtest.aligned.probability[span])
    notes = []
    stray = int((given & ~backtest.eligible[span]).sum())
    if stray and backtest.aligned.recommended is None:
        notes.append(f"{stray} of {int(given.sum())} predictions are of symbols that were not eligible; ignored.")
    if backtest.aligned.recommended is not None:
        chosen = backtest.recommended[span]
        outside = int((chosen & ~backtest.eligible[span]).sum())
        notes.append("The column `recommended` of the file decides; the rule of the settings was not applied.")
        if outside:
            notes.append(f"{outside} of {int(chosen.sum())} recommendations are of symbols that were not eligible.")
    empty = int((~given.any(axis=1)).sum())
    if empty:
        notes.append(f"{empty} sessions between the first and the last have no predictions: nothing recommended.")
    for symbol in backtest.dataset.benchmarks.symbols:
        if symbol not in backtest.benchmarks:
            notes.append(f"{symbol} lacks prices on evaluated sessions and was left out.")
    if backtest.dataset.macro is None or "ust3m" not in backtest.dataset.macro.columns:
        notes.append("The data set has no ust3m: cash earns nothing, and Sharpe ratios are of total returns.")
    if backtest.hits.n_matured.sum() == 0:
        notes.append("No recommendation has matured: hit rates are unknown.")
    return tuple(notes)
