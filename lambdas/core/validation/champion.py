"""Candidate against champion: both simulated on the same dates, their daily returns compared in pairs."""

from __future__ import annotations

import pandas as pd

from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS, annual_mean
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.backtest.run import run_backtest
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.core.values import ChampionComparison


def compare_with_champion(
    dataset: MarketDataset, candidate: pd.DataFrame, champion: pd.DataFrame, version: str, settings: ModelSettings
) -> ChampionComparison:
    """Compare daily active returns over the holdout, where both models are out of sample.

    Each model's predictions of the holdout are simulated from the same first decision, so neither starts with tranches
    that another model chose. The active returns differ by what the portfolios differ: SPY cancels.

    Parameters
    ----------
    dataset : MarketDataset
    candidate, champion : DataFrame
        Predictions of the holdout: date, symbol, probability. Dates that only one of them has are left out.
    version : str
        The champion's.
    settings : ModelSettings

    Returns
    -------
    ChampionComparison
        `difference` and its one-sided bounds are annualised, by the paired stationary bootstrap. `not_worse`: the
        upper bound is not below zero, that is, the candidate was not shown to be worse. False if there are too few
        sessions to tell.

    Raises
    ------
    InvalidPredictionsError
        If the two have no dates in common.
    """
    horizon, evidence = settings.portfolio.horizon, settings.evidence
    candidate_days, champion_days = (pd.to_datetime(frame["date"]) for frame in (candidate, champion))
    common = set(candidate_days) & set(champion_days)
    if not common:
        raise InvalidPredictionsError(
            f"champion {version}: its predictions share no date with the candidate's; score it on the same holdout"
        )
    mine = run_backtest(dataset, candidate[candidate_days.isin(common)], settings).portfolio
    theirs = run_backtest(dataset, champion[champion_days.isin(common)], settings).portfolio
    difference = mine.returns - theirs.returns
    lower = upper = None
    if len(difference) >= MIN_BLOCKS * horizon:
        sums = resampled_sums(difference[:, None], horizon, evidence.bootstrap_draws, BOOTSTRAP_SEED)[:, 0]
        yearly = sums / len(difference) * SESSIONS_PER_YEAR
        mean, widen = annual_mean(difference), widening(len(difference), horizon, 1, evidence.confidence)
        lower, upper = (bound(yearly, evidence.confidence, mean, widen) for bound in (lower_bound, upper_bound))
    return ChampionComparison(
        champion=version,
        n_sessions=len(difference),
        difference=annual_mean(difference),
        difference_lower=lower,
        difference_upper=upper,
        not_worse=upper is not None and upper >= 0.0,
    )
