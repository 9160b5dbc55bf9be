"""Null runs: many trials without any skill, the luckiest of them chosen, and asked to be deployed."""

from __future__ import annotations

import datetime as dt

import numpy as np
from scipy.signal import lfilter

from benchmarks.controls.judgement import (
    Judgement,
    alike,
    as_probabilities,
    control_settings,
    judge_scores,
    walk_forward_returns,
)
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.market_data.sources.simulated import SimulatedSource

N_TRIALS = 24
"""Scored configurations of one search: 8 of each of 3 learners, the default."""

N_SYMBOLS = 100
SHUFFLED_RANK_IC = 0.25
FIRST_SESSION = dt.date(2015, 1, 2)
MEMORY_SESSIONS = (1.0, 21.0, 63.0, 126.0)
"""How long a score without skill stays what it is: a model's opinion of a company lasts weeks, not a day."""


def random_scores(seed: int) -> Judgement:
    """Choose the best of random scores on a market in which nothing can be predicted."""
    dataset = SimulatedSource(seed, N_SYMBOLS, 0.0, FIRST_SESSION).market().dataset
    random = np.random.default_rng([seed, 1])
    trials = [_remembering(random, dataset.prices.shape) for _ in range(N_TRIALS)]
    return _judge_best(dataset, trials)


def shuffled_outcomes(seed: int) -> Judgement:
    """Choose the best of true scores whose symbols were exchanged, on a market with a strong signal.

    The scores are as persistent, as clustered and as spread as those of a model with skill; only whose outcome they
    speak of is wrong.
    """
    market = SimulatedSource(seed, N_SYMBOLS, SHUFFLED_RANK_IC, FIRST_SESSION).market()
    random = np.random.default_rng([seed, 2])
    trials = [market.expected_return[:, random.permutation(N_SYMBOLS)] for _ in range(N_TRIALS)]
    return _judge_best(market.dataset, trials)


def _remembering(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Draw scores that forget within 1 to 126 sessions."""
    keep = np.exp(-1.0 / random.choice(MEMORY_SESSIONS))
    scores: FloatArray = lfilter([1.0], [1.0, -keep], random.standard_normal(shape), axis=0)
    return scores


def _judge_best(dataset: MarketDataset, trials: list[FloatArray]) -> Judgement:
    """Judge the trial with the best Sharpe ratio over the walk-forward itself.

    The harshest choice there is: a run of the product chooses on earlier sessions than those that are judged.
    """
    settings = control_settings()
    returns = walk_forward_returns(dataset, trials, settings)
    best = int(np.argmax(returns.mean(axis=0) / returns.std(axis=0)))
    return judge_scores(dataset, as_probabilities(trials[best]), settings, alike(returns, len(trials)))
