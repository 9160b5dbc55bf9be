"""Power: how often skill of a known size passes each gate, and what more history does for it."""

from __future__ import annotations

import datetime as dt

import numpy as np

from benchmarks.controls.judgement import (
    Judgement,
    alike,
    as_probabilities,
    control_settings,
    judge_scores,
    walk_forward_returns,
)
from lambdas.core.market_data.sources.simulated import SimulatedSource

RANK_ICS = (0.05, 0.10, 0.15, 0.25)
LOOKBACK_YEARS = (1, 2, 3, 5)
N_SYMBOLS = 100
N_TRIALS = 120
"""Scored configurations of a first run with the defaults: five searches of 24."""

N_MEASURED = 8
"""Of those, so many portfolios without skill are simulated to see how alike they are: what the deflation asks for."""

FIRST_SESSION = dt.date(2013, 1, 2)  # five years and a holdout before the end, and a year of closes before those


def known_drift(seed: int, rank_ic: float) -> dict[int, Judgement]:
    """Judge predictions that know the hidden drift of a market exactly, by years of lookback.

    The drift explains just so much of the next 21 sessions that its rank IC is the planted one: a model with this IC.
    All lookbacks end on the same day of the same market, so they differ by their length alone.
    """
    market = SimulatedSource(seed, N_SYMBOLS, rank_ic, FIRST_SESSION).market()
    probability = as_probabilities(market.expected_return)
    random = np.random.default_rng([seed, 3])
    others = [market.expected_return[:, random.permutation(N_SYMBOLS)] for _ in range(N_MEASURED)]
    judgements = {}
    for years in LOOKBACK_YEARS:
        settings = control_settings(365 * years)
        trials = alike(walk_forward_returns(market.dataset, others, settings), N_TRIALS)
        judgements[years] = judge_scores(market.dataset, probability, settings, trials)
    return judgements
