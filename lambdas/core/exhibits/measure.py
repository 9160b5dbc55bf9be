"""The figures of a report, from a simulation that was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lambdas.core.backtest.evidence import BOOTSTRAP_SEED
from lambdas.core.backtest.hits import effective_n
from lambdas.core.backtest.random_portfolios import draw_subsets, simulate_many
from lambdas.core.backtest.run import Backtest
from lambdas.core.exhibits.values import (
    Exhibits,
    FoldInterval,
    RandomBand,
    RankICSeries,
    SearchHistory,
    TrialPoint,
)
from lambdas.core.labels import BASIS_POINT, execution_prices, mark_prices
from lambdas.core.market_data.panel import IntArray
from lambdas.core.models.reliability import reliability
from lambdas.core.values import Reliability

BAND_PORTFOLIOS = 200
BAND_QUANTILES = (0.05, 0.5, 0.95)


def measure_exhibits(backtest: Backtest) -> Exhibits:
    """Measure what the figures of a report need beyond the metrics.

    Parameters
    ----------
    backtest : Backtest
    """
    return Exhibits(
        fold_intervals=fold_intervals(backtest),
        random_band=random_band(backtest),
        calibration=calibration(backtest),
        rank_ic=rank_ic_series(backtest),
    )


def fold_intervals(backtest: Backtest) -> tuple[FoldInterval, ...]:
    """Interval of the hit rate of each fold (Wilson 1927) for as many independent recommendations as it is worth.

    A fold is about as long as the horizon: one draw of the bootstrap's blocks, which tells nothing of its own spread.
    So its matured recommendations are divided by the inflation that the pooled rate has. The bounds are wide, and that
    is what a single fold is worth.
    """
    fold = backtest.aligned.fold
    if fold is None:
        return ()
    hits, span = backtest.hits, slice(backtest.first, backtest.last + 1)
    mature = backtest.matured[span]
    pooled = effective_n(hits.hits[mature], hits.n_matured[mature], mean_block=backtest.settings.portfolio.horizon)
    total = float(hits.n_matured.sum())
    from statsmodels.stats.proportion import proportion_confint  # a second to import

    alpha = 2.0 * (1.0 - backtest.settings.evidence.confidence)
    intervals = []
    for number in np.unique(fold[fold >= 0]):
        part = hits.select(fold[span] == number)
        n, rate = float(part.n_matured.sum()), part.hit_rate
        worth = None if pooled is None or n == 0.0 else max(n * pooled / total, 1.0)
        lower = upper = None
        if worth is not None and rate is not None:
            lower, upper = (float(b) for b in proportion_confint(rate * worth, worth, alpha=alpha, method="wilson"))
        intervals.append(FoldInterval(fold=int(number), lower=lower, upper=upper, effective_n=worth))
    return tuple(intervals)


def calibration(backtest: Backtest) -> Reliability | None:
    """Out-of-sample probabilities of every eligible symbol against the hit that the gate reads."""
    span = slice(backtest.first, backtest.last + 1)
    outcomes = backtest.outcomes
    hit = outcomes.hit(backtest.settings.gates.hit_definition)
    probability, hit = backtest.aligned.probability[span], hit[span]
    known = np.isfinite(probability) & np.isfinite(hit) & backtest.eligible[span]
    if not known.any():
        return None
    return reliability(probability[known], hit[known], float(hit[known].mean()))


def rank_ic_series(backtest: Backtest) -> RankICSeries:
    """Rank IC of each decision date that has one."""
    days = backtest.dataset.sessions[backtest.first : backtest.last + 1]
    known = np.isfinite(backtest.rank_ic)
    return RankICSeries(
        sessions=tuple(day.date() for day in days[known]),
        values=tuple(round(float(value), 5) for value in backtest.rank_ic[known]),
    )


def search_history(stored: Mapping[str, Any]) -> SearchHistory:
    """Shorten a search as it was stored to what a reader looks at: the returns of its trials stay where they are.

    Parameters
    ----------
    stored : mapping
        A `TuningOutcome` as JSON values.
    """
    return SearchHistory(
        point=stored["point"],
        first_session=stored["first_session"],
        last_session=stored["last_session"],
        trials=stored["trials"],
        inner_sharpe_ratio=stored["inner_sharpe_ratio"],
        deadline_reached=stored["deadline_reached"],
        log=tuple(
            TrialPoint(
                learner=trial["learner"],
                number=trial["number"],
                sharpe_ratio=trial["sharpe_ratio"],
                pruned=trial.get("pruned", False),
                failed=trial.get("failure") is not None,
            )
            for trial in stored["trial_log"]
        ),
        chosen=stored["hyperparameters"],
    )


def random_band(backtest: Backtest) -> RandomBand | None:
    """Quantiles of the equity of portfolios that pick by lot: same rule, dates, number of positions and costs.

    The competitive score draws 1 000 of them for a percentile; for a band on a chart fewer are enough.
    """
    positions = backtest.recommended.sum(axis=1)
    first, last, prices = backtest.first, backtest.last, backtest.dataset.prices
    if not backtest.eligible[first:last].any():
        return None
    random = np.random.default_rng(BOOTSTRAP_SEED)
    n_portfolios = min(BAND_PORTFOLIOS, backtest.settings.evidence.random_portfolios)

    def draw(session: int) -> IntArray:
        columns = np.flatnonzero(backtest.eligible[session])
        return draw_subsets(random, n_portfolios, columns, int(positions[session]))

    cash_rate = np.zeros(len(backtest.dataset.sessions))
    cash_rate[first : last + 1] = backtest.portfolio.cash_rate
    portfolio = backtest.settings.portfolio
    equity = simulate_many(
        draw,
        n_portfolios,
        execution_prices(prices),
        mark_prices(prices),
        first,
        last,
        portfolio.horizon,
        portfolio.cost_bps * BASIS_POINT,
        cash_rate,
    )
    lower, median, upper = np.quantile(equity, BAND_QUANTILES, axis=1).round(5).tolist()
    return RandomBand(n_portfolios=n_portfolios, lower=tuple(lower), median=tuple(median), upper=tuple(upper))
