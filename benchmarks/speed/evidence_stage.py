"""All evidence of a run of 50 candidates; a process of its own, so that its memory is its own. Prints JSON."""

from __future__ import annotations

import json
import resource

import numpy as np

from benchmarks.controls.judgement import alike
from benchmarks.speed.measuring import Timing, as_seconds, once
from lambdas.core.backtest import overfitting, random_portfolios
from lambdas.core.backtest.evidence import pooled_evidence
from lambdas.core.backtest.hits import hits_by_date
from lambdas.core.settings import EvidenceSettings

N_CANDIDATES, N_SESSIONS, N_SYMBOLS, DRAWS, HORIZON = 50, 756, 495, 5000, 21
KILOBYTE = 1024


def main() -> None:
    """Time the evidence of the chosen candidate, of all candidates, and of 1,000 random portfolios."""
    random = np.random.default_rng(0)
    candidates = random.normal(0.0005, 0.01, (N_SESSIONS, N_CANDIDATES))
    market = random.normal(0.0004, 0.01, N_SESSIONS)
    hit = (random.random((N_SESSIONS, N_SYMBOLS)) < 0.6).astype(np.float64)
    eligible = np.ones(hit.shape, dtype=np.bool_)
    recommended = random.random(hit.shape) < 0.1
    hits = hits_by_date(hit, recommended, eligible, random.integers(0, 5, hit.shape))
    settings = EvidenceSettings(bootstrap_draws=DRAWS)
    warm_up = EvidenceSettings(bootstrap_draws=100)
    matured = np.ones(N_SESSIONS, dtype=np.bool_)

    def bounds(of: EvidenceSettings) -> None:
        pooled_evidence(
            hits,
            matured,
            candidates[:, 0],
            candidates[:, 0] - market,
            horizon=HORIZON,
            settings=of,
            n_trials=N_CANDIDATES,
            trials=alike(candidates, N_CANDIDATES),
            returns=candidates[:, 0],
            holdout_sessions=62,
        )

    prices = np.exp(np.cumsum(random.normal(0.0003, 0.01, (N_SESSIONS, N_SYMBOLS)), axis=0))
    stages = {
        "bounds of every gate metric, PSR, DSR": lambda: bounds(settings),
        "PBO": lambda: overfitting.probability_of_overfitting(candidates),
        "SPA": lambda: overfitting.superior_predictive_ability(market, candidates, HORIZON, draws=DRAWS),
        "1,000 random portfolios": lambda: random_portfolios.simulate_random_portfolios(
            prices,
            prices,
            eligible,
            np.full(N_SESSIONS, N_SYMBOLS // 10),
            0,
            N_SESSIONS - 1,
            HORIZON,
            0.0005,
            np.zeros(N_SESSIONS),
            1000,
            0,
        ),
    }
    bounds(warm_up)  # imports statsmodels
    times: dict[str, Timing] = {name: once(stage) for name, stage in stages.items()}
    print(
        json.dumps(
            {
                "stages": {name: as_seconds(timing) for name, timing in times.items()},
                "cpu": round(sum(timing.cpu for timing in times.values()), 3),
                "wall": round(sum(timing.wall for timing in times.values()), 3),
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE,
            }
        )
    )


if __name__ == "__main__":
    main()
