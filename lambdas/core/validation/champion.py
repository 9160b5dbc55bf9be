"""Candidate against champion: both simulated on the same dates, their daily returns compared in pairs."""

from __future__ import annotations

import pandas as pd

from lambdas.core.backtest.run import run_backtest
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.core.validation.paired import paired_difference
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
        `difference` and its one-sided bounds are annualised, by the paired stationary bootstrap; so are those of the
        difference of the hit rates. `not_worse`: the upper bound of the former is not below zero, that is, the
        candidate was not shown to be worse; `better`: its lower bound is above zero. Both are False if there are too
        few sessions to tell.

    Raises
    ------
    InvalidPredictionsError
        If the two have no dates in common.
    """
    candidate_days, champion_days = (pd.to_datetime(frame["date"]) for frame in (candidate, champion))
    common = set(candidate_days) & set(champion_days)
    if not common:
        raise InvalidPredictionsError(
            f"champion {version}: its predictions share no date with the candidate's; score it on the same holdout"
        )
    mine, theirs = (
        run_backtest(dataset, frame[days.isin(common)], settings)
        for frame, days in ((candidate, candidate_days), (champion, champion_days))
    )
    paired = paired_difference(mine, theirs, version)
    return ChampionComparison(
        champion=version,
        n_sessions=paired.n_sessions,
        difference=paired.active_return.value,
        difference_lower=paired.active_return.lower,
        difference_upper=paired.active_return.upper,
        hit_rate_difference=paired.hit_rate.value,
        hit_rate_difference_lower=paired.hit_rate.lower,
        hit_rate_difference_upper=paired.hit_rate.upper,
        better=paired.better,
        not_worse=paired.not_worse,
    )
