"""What the trials of a run's own searches say about its result: how alike they are, PBO, and Hansen's SPA."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambdas.core.backtest.benchmarks import benchmark_equity
from lambdas.core.backtest.metrics import NO_VARIATION, session_sharpe_ratio
from lambdas.core.backtest.overfitting import probability_of_overfitting, superior_predictive_ability
from lambdas.core.backtest.portfolio import cash_rates
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.values import TrialEvidence

N_SPLITS = 16


@dataclass(frozen=True)
class SearchTrials:
    """Every configuration that one search scored.

    Attributes
    ----------
    n_trials : int
        Failed ones included: the number that the ledger counts.
    first_session, last_session : date
        The returns begin at the session after the first.
    returns : ndarray of shape (n_sessions, n_measured)
        Daily net returns less cash of the trials that did not fail, on the same sessions.
    """

    n_trials: int
    first_session: dt.date
    last_session: dt.date
    returns: FloatArray

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> SearchTrials:
        """Read the trials of a search as it was stored: a `TuningOutcome` as JSON values."""
        series = [trial["returns"] for trial in stored["trial_log"] if trial["returns"]]
        return cls(
            n_trials=int(stored["trials"]),
            first_session=dt.date.fromisoformat(str(stored["first_session"])),
            last_session=dt.date.fromisoformat(str(stored["last_session"])),
            returns=np.array(series, dtype=np.float64).T if series else np.empty((0, 0)),
        )


def weigh_trials(searches: Sequence[SearchTrials], dataset: MarketDataset, horizon: int) -> TrialEvidence:
    """Weigh all searches of a run.

    Searches look at different years and propose different configurations, so trials are compared within a search only:

    - correlation and variance of Sharpe ratios are pooled over the pairs, and the degrees of freedom, of all searches;
    - PBO is the mean of theirs: what the run picks in one of its searches is below that search's median as often;
    - the p-value of the SPA is the smallest times their number (Bonferroni, valid for overlapping years too).

    Parameters
    ----------
    searches : sequence of SearchTrials
    dataset : MarketDataset
        The one they searched on.
    horizon : int
        Mean block of the bootstrap.

    Returns
    -------
    TrialEvidence
        None for what fewer than two trials, too few sessions, or SPY without prices on them leave unknown.
    """
    measured = [search for search in searches if search.returns.size]
    correlations = [correlation_sum(search.returns) for search in measured]
    ratios = [sharpe_ratios(search.returns) for search in measured]
    pairs = sum(n for _, n in correlations)
    freedom = sum(len(known) - 1 for known in ratios if len(known) > 1)
    spread = sum(float(np.sum((known - known.mean()) ** 2)) for known in ratios if len(known) > 1)
    judged = [s.returns for s in measured if s.returns.shape[1] > 1 and len(s.returns) >= 2 * N_SPLITS]
    p_values = [value for search in measured if (value := _spa(search, dataset, horizon)) is not None]
    return TrialEvidence(
        n_searches=len(searches),
        n_trials=sum(search.n_trials for search in searches),
        n_measured=sum(search.returns.shape[1] for search in measured),
        correlation=sum(total for total, _ in correlations) / pairs if pairs else None,
        sharpe_variance=spread / freedom if freedom else None,
        pbo=float(np.mean([probability_of_overfitting(r, N_SPLITS).pbo for r in judged])) if judged else None,
        spa_p_value=min(1.0, min(p_values) * len(p_values)) if p_values else None,
    )


def correlation_sum(returns: FloatArray) -> tuple[float, int]:
    """Sum of the correlations of all pairs of trials, and the number of pairs; trials in cash have none."""
    varying = returns[:, returns.std(axis=0) > NO_VARIATION] if len(returns) > 1 else returns[:, :0]
    n = varying.shape[1]
    if n < 2:
        return 0.0, 0
    matrix: FloatArray = np.asarray(np.corrcoef(varying, rowvar=False))
    return float(matrix[np.triu_indices(n, 1)].sum()), n * (n - 1) // 2


def sharpe_ratios(returns: FloatArray) -> FloatArray:
    """Sharpe ratio per session of each trial whose returns vary."""
    ratios = (session_sharpe_ratio(returns[:, j]) for j in range(returns.shape[1]))
    return np.array([ratio for ratio in ratios if ratio is not None])


def _spa(search: SearchTrials, dataset: MarketDataset, horizon: int) -> float | None:
    market = market_excess_returns(dataset, search.first_session, search.last_session)
    if market is None or len(market) != len(search.returns) or len(market) < 2 * horizon:
        return None
    return superior_predictive_ability(market, search.returns, horizon)


def market_excess_returns(dataset: MarketDataset, first: dt.date, last: dt.date) -> FloatArray | None:
    """Daily returns of SPY less cash, bought at the open after `first`; None where SPY lacks a price.

    Returns
    -------
    ndarray of shape (n_sessions - 1,) or None
        Of the sessions after `first` up to `last`; None too if one of the two is no session of the data.
    """
    begin, end = dataset.sessions.get_indexer(pd.DatetimeIndex([pd.Timestamp(first), pd.Timestamp(last)])).tolist()
    if min(begin, end) < 0 or begin >= end:
        return None
    try:
        equity = benchmark_equity(dataset, begin, end, must_reach=end)[MARKET][begin : end + 1]
    except InvalidDatasetError:
        return None
    excess: FloatArray = equity[1:] / equity[:-1] - 1.0 - cash_rates(dataset)[begin + 1 : end + 1]
    return excess
