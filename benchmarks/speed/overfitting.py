"""PBO by CSCV beside purgedcv, of which the project's own development environment has a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from purgedcv import probability_of_backtest_overfitting

from benchmarks.speed.measuring import Timing, as_seconds, best_of, once
from lambdas.core.backtest.overfitting import probability_of_overfitting

N_BLOCKS, N_STRATEGIES, N_SESSIONS = 16, 40, 1008


def measure(repetitions: int = 7) -> dict[str, Any]:
    """Compare logits, then times.

    Raises
    ------
    ValueError
        If a logit differs.
    """
    returns = np.random.default_rng(0).normal(0.0003, 0.01, (N_SESSIONS, N_STRATEGIES))
    ours = best_of(lambda: probability_of_overfitting(returns, N_BLOCKS), repetitions)
    found: list[Any] = []
    theirs: Timing = once(lambda: found.append(probability_of_backtest_overfitting(returns.T, n_splits=N_BLOCKS)))
    logits = probability_of_overfitting(returns, N_BLOCKS).logits
    distance = float(np.max(np.abs(np.asarray(found[0].logits) - logits)))
    if distance > 1e-12:
        raise ValueError(f"the logits of purgedcv differ by {distance}; nothing to compare")
    return {
        "n_combinations": len(logits),
        "ours": as_seconds(ours),
        "purgedcv": as_seconds(theirs),
        "distance": distance,
        "ratio": theirs.cpu / ours.cpu,
    }
