"""A lead that luck explains chooses nothing; one that it does not, does."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.models.beyond_luck import choose_beyond_luck, lead_error

SESSIONS = 750


def series(rng: np.random.Generator, n: int, gain: float = 0.0, own: float = 0.004) -> list[np.ndarray]:
    """Return n portfolios of one market, the last of which earns `gain` more a session."""
    market = rng.normal(0.0004, 0.01, SESSIONS)
    out = [market + rng.normal(0.0, own, SESSIONS) for _ in range(n)]
    out[-1] = out[-1] + gain
    return out


def test_the_error_is_what_resampling_says() -> None:
    rng = np.random.default_rng(1)
    market = rng.normal(0.0008, 0.01, (4000, SESSIONS))
    first, second = (market + rng.normal(0.0, 0.005, market.shape) for _ in range(2))
    leads = [(sharpe_ratio(a) or 0) - (sharpe_ratio(b) or 0) for a, b in zip(first, second, strict=True)]
    assert lead_error(first[0], second[0]) == pytest.approx(np.std(leads), rel=0.08)


@pytest.mark.parametrize(("n", "most"), [(2, 0.22), (4, 0.35), (8, 0.35), (20, 0.35)])
def test_without_merit_the_first_mostly_stays(n: int, most: float) -> None:
    """The best of k leads by its expected maximum in something below half of all cases, one of one in 16 %."""
    rng = np.random.default_rng(2)
    replaced = [choose_beyond_luck(series(rng, n), n - 1) > 0 for _ in range(400)]
    assert 0.02 < np.mean(replaced) < most


def test_a_lead_beyond_luck_is_taken() -> None:
    rng = np.random.default_rng(3)
    chosen = [choose_beyond_luck(series(rng, 8, gain=0.001), 7) for _ in range(100)]
    assert np.mean(np.array(chosen) == 7) > 0.9


def test_more_looks_ask_for_more() -> None:
    rng = np.random.default_rng(4)
    replaced = {
        looked: sum(choose_beyond_luck(pair, looked) for pair in (series(rng, 2, 0.0003) for _ in range(300)))
        for looked in (1, 10, 100)
    }
    assert replaced[1] > replaced[10] > replaced[100] > 0


def test_what_cannot_be_measured_loses() -> None:
    varied = np.random.default_rng(5).normal(size=50)
    flat, nothing = np.zeros(50), np.empty(0)
    assert choose_beyond_luck([flat, varied], 1) == 1
    assert choose_beyond_luck([varied, flat, nothing], 2) == 0
    assert choose_beyond_luck([flat, nothing], 1) == 0
    assert choose_beyond_luck([varied], 0) == 0
    assert choose_beyond_luck([varied, varied], 1) == 0
    with pytest.raises(ValueError, match="must vary"):
        lead_error(varied, flat)


def test_what_the_library_keeps_of_its_first_import_is_no_training_part() -> None:
    """Optuna keeps the frames that stood when it was imported: it has to be imported before there are arrays."""
    code = "import sys, lambdas.core.models.search; sys.exit('optuna' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own line
