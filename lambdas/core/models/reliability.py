"""Whether probabilities mean what they say: a calibration table, the Brier score, the expected calibration error."""

from __future__ import annotations

import numpy as np

from lambdas.core.market_data.panel import FloatArray
from lambdas.core.values import Reliability, ReliabilityBin

N_BINS = 10


def reliability(probability: FloatArray, hit: FloatArray, base_rate: float) -> Reliability:
    """Compare probabilities with what happened.

    Hits of a date move together, so a calibration error of two or three points over a few months is no proof of a bad
    calibration; of the same date and market even the truth would show it.

    Parameters
    ----------
    probability, hit : ndarray of shape (n_rows,)
        Rows whose hit is unknown (NaN) are not counted.
    base_rate : float
        What a forecast without any knowledge of the symbols would have said.

    Examples
    --------
    >>> found = reliability(np.array([0.2, 0.2, 0.8, 0.8]), np.array([0.0, 1.0, 1.0, 1.0]), 0.5)
    >>> found.brier_score, found.expected_calibration_error, len(found.table)
    (0.19, 0.25, 2)
    """
    known = np.isfinite(hit)
    probability, hit = probability[known], hit[known]
    if len(hit) == 0:
        return Reliability(
            n_rows=0,
            mean_probability=None,
            hit_rate=None,
            brier_score=None,
            brier_score_of_base_rate=None,
            expected_calibration_error=None,
            table=(),
        )
    edges = np.unique(np.quantile(probability, np.linspace(0.0, 1.0, N_BINS + 1)[1:-1]))
    number = np.searchsorted(edges, probability, side="right")
    # Equal probabilities are in one bin, so there may be fewer than ten.
    table = tuple(
        ReliabilityBin(
            n_rows=int(inside.sum()),
            probability=round(float(probability[inside].mean()), 6),
            hit_rate=round(float(hit[inside].mean()), 6),
        )
        for inside in (number == k for k in range(len(edges) + 1))
        if inside.any()
    )
    error = sum(one.n_rows * abs(one.probability - one.hit_rate) for one in table) / len(hit)
    return Reliability(
        n_rows=len(hit),
        mean_probability=round(float(probability.mean()), 6),
        hit_rate=round(float(hit.mean()), 6),
        brier_score=round(float(np.mean((probability - hit) ** 2)), 6),
        brier_score_of_base_rate=round(float(np.mean((base_rate - hit) ** 2)), 6),
        expected_calibration_error=round(error, 6),
        table=table,
    )
