"""What the figures of a report show, each against a computation of its own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import made_reports
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr

from lambdas.core.backtest.run import Backtest, run_backtest
from lambdas.core.exhibits.measure import measure_exhibits, random_band, search_history
from lambdas.core.exhibits.models import explain, pool_drops
from lambdas.core.exhibits.values import Exhibits, FoldDrops
from lambdas.core.features import FeatureSet
from lambdas.core.market_data.panel import BoolArray
from lambdas.core.models import versions
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.versions import BATCH_ROWS
from lambdas.core.settings import ModelSettings


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    dataset = made_reports.simulated()
    return run_backtest(dataset, made_reports.predictions_of(dataset, 0.2, 1.0), made_reports.SETTINGS)


@pytest.fixture(scope="module")
def exhibits(backtest: Backtest) -> Exhibits:
    return measure_exhibits(backtest)


def test_fold_intervals_solve_wilsons_equation(backtest: Backtest, exhibits: Exhibits) -> None:
    """At a bound p the observed rate lies z standard errors of p away, for the effective number of observations."""
    z = norm.ppf(0.95)
    fold = backtest.aligned.fold
    assert fold is not None
    span = slice(backtest.first, backtest.last + 1)
    for interval in exhibits.fold_intervals[:-2]:  # the last ones have not matured
        rate = backtest.hits.select(fold[span] == interval.fold).hit_rate
        assert interval.effective_n is not None
        assert interval.effective_n < backtest.hits.select(fold[span] == interval.fold).n_matured.sum()
        for bound in (interval.lower, interval.upper):
            assert bound is not None
            assert abs(rate - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / interval.effective_n), rel=1e-6)


def test_a_fold_without_outcomes_has_no_interval(exhibits: Exhibits) -> None:
    assert exhibits.fold_intervals[-1].lower is None


def test_rank_ic_is_spearmans(backtest: Backtest, exhibits: Exhibits) -> None:
    day = exhibits.rank_ic.sessions[100]
    row = int(backtest.dataset.sessions.get_indexer(pd.DatetimeIndex([pd.Timestamp(day)]))[0])
    gross, probability = backtest.outcomes.gross[row], backtest.aligned.probability[row]
    known = np.isfinite(gross) & np.isfinite(probability) & backtest.eligible[row]
    expected = spearmanr(probability[known], gross[known]).statistic
    assert exhibits.rank_ic.values[100] == pytest.approx(expected, abs=1e-5)


def test_calibration_counts_every_known_prediction_once(backtest: Backtest, exhibits: Exhibits) -> None:
    found = exhibits.calibration
    assert found is not None
    span = slice(backtest.first, backtest.last + 1)
    hit = backtest.outcomes.absolute_hit[span]
    known = np.isfinite(hit) & np.isfinite(backtest.aligned.probability[span]) & backtest.eligible[span]
    assert found.n_rows == known.sum() == sum(one.n_rows for one in found.table)
    assert found.hit_rate == pytest.approx(hit[known].mean(), abs=1e-6)
    assert found.brier_score == pytest.approx(
        np.mean((backtest.aligned.probability[span][known] - hit[known]) ** 2), abs=1e-6
    )


def test_the_band_of_those_who_draw_everything_is_one_line(backtest: Backtest) -> None:
    """Whoever recommends all eligible symbols holds what every draw holds: the simulation itself is the oracle."""
    everything = made_reports.predictions_of(backtest.dataset, 0.0, 1.0).assign(recommended=True)
    whole = run_backtest(backtest.dataset, everything, backtest.settings)
    band = random_band(whole)
    assert band is not None
    for line in (band.lower, band.median, band.upper):
        np.testing.assert_allclose(line, whole.portfolio.equity, atol=2e-5)


def test_the_band_holds_nine_of_ten_and_no_skill_is_inside(backtest: Backtest, exhibits: Exhibits) -> None:
    band = exhibits.random_band
    assert band is not None
    assert np.all(np.array(band.lower) <= band.median)
    assert np.all(np.array(band.median) <= band.upper)
    assert band.upper[-1] - band.lower[-1] > 0.01
    inside = []
    for seed in range(8):
        drawn = made_reports.predictions_of(backtest.dataset, 0.0, 1.0, seed=seed)
        equity = run_backtest(backtest.dataset, drawn, backtest.settings).portfolio.equity
        inside.append(band.lower[-1] <= equity[-1] <= band.upper[-1])
    assert sum(inside) >= 5


def test_a_search_is_kept_without_its_returns() -> None:
    trial = {"learner": "network", "number": 1, "sharpe_ratio": 0.5, "pruned": True, "failure": None}
    kept = search_history(
        {
            "point": 2,
            "first_session": "2014-01-02",
            "last_session": "2014-06-30",
            "trials": 2,
            "inner_sharpe_ratio": 0.9,
            "deadline_reached": False,
            "hyperparameters": {"network": {"width": 48}},
            "trial_log": [
                {**trial, "returns": [0.1] * 500},
                {**trial, "sharpe_ratio": None, "failure": "no finite loss", "returns": []},
            ],
        }
    )
    assert [(one.pruned, one.failed) for one in kept.log] == [(True, False), (True, True)]
    assert "returns" not in kept.model_dump_json()


class Linear:
    """A model whose probability is 0.5 and a tenth of one feature: what each feature says is known exactly."""

    def predict(self, features: FeatureSet, sessions: pd.DatetimeIndex, eligible: BoolArray) -> pd.DataFrame:
        row, chosen = np.nonzero(eligible)
        values = features.values[row, chosen, features.names.index("momentum")].astype(float)
        symbols = [features.symbols[column] for column in chosen]
        probability = 0.5 + 0.1 * np.nan_to_num(values)
        return pd.DataFrame({"date": sessions[row], "symbol": symbols, "probability": probability})


@pytest.mark.parametrize("rows", [1, 20, BATCH_ROWS], ids=["one version at a time", "two", "all"])
def test_who_spoke_is_what_the_model_would_not_say_at_the_median(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "BATCH_ROWS", rows)
    random = np.random.default_rng(0)
    names = ("noise", "momentum", "momentum_rank", "empty")
    values = random.uniform(-1, 1, (1, 9, 4)).astype(np.float32)
    values[:, :, 3] = np.nan
    features = FeatureSet(
        sessions=pd.DatetimeIndex(["2016-03-01"]),
        symbols=tuple(f"S{j}" for j in range(9)),
        names=names,
        families=dict.fromkeys(names, "technical"),
        values=values,
    )
    allowed = np.ones((1, 9), dtype=np.bool_)
    allowed[0, 4] = False
    view = cast(MarketView, SimpleNamespace(features=features, eligible=allowed))
    before = values.copy()
    found = {one.symbol: one.voices for one in explain(Linear(), view, features.sessions[0])}
    np.testing.assert_array_equal(values, before)
    assert "S4" not in found
    median = np.median(values[0, allowed[0], 1])
    for j in (0, 8):
        expected = 0.1 * (values[0, j, 1] - median)
        assert [voice.feature for voice in found[f"S{j}"]] == ["momentum"]
        assert found[f"S{j}"][0].effect == pytest.approx(expected, abs=1e-4)


def test_drops_of_folds_are_joined_in_time() -> None:
    settings = replace_horizon(5)
    fold = FoldDrops(families={"a": "technical"}, by_feature={"a": (0.1, None)}, by_family={"technical": (0.2, 0.0)})
    later = fold.model_copy(update={"by_feature": {"a": (0.3, 0.2)}})
    pooled = pool_drops([fold, later], settings)
    assert pooled is not None
    assert pooled.by_feature[0].drop == pytest.approx(0.2)
    assert pooled.by_family[0].drop == pytest.approx(0.1)
    assert pooled.by_feature[0].lower is not None
    assert pooled.n_dates == 3
    assert pool_drops([], settings) is None


def replace_horizon(horizon: int) -> ModelSettings:
    return made_reports.SETTINGS.model_copy(
        update={"portfolio": made_reports.SETTINGS.portfolio.model_copy(update={"horizon": horizon})}
    )


def test_the_data_set_is_left_as_it_was(backtest: Backtest) -> None:
    before = replace(backtest).recommended.copy()
    random_band(backtest)
    np.testing.assert_array_equal(backtest.recommended, before)
