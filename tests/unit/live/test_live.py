"""Live numbers against a slow loop and a backtest, drift against its definition, outcomes against prices by hand."""

from __future__ import annotations

import datetime as dt
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "backtest"))

from markets import make_panel, random_dataset

from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.run import run_backtest
from lambdas.core.features.build import FeatureSet
from lambdas.core.labels import compute_outcomes
from lambdas.core.live.drift import measure_drift, psi
from lambdas.core.live.gate import judge_live
from lambdas.core.live.performance import Issued, live_performance, published_frame
from lambdas.core.live.settlement import GRACE_SESSIONS, Settlement, was_corrected
from lambdas.core.live.shadow import FrozenRecord
from lambdas.core.live.values import Drift, FeatureDrift, LivePerformance
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import LiveSettings, ModelSettings, PortfolioSettings

SETTINGS = ModelSettings.model_validate(
    {
        "portfolio": {"horizon": 5, "min_history_sessions": 2},
        "evidence": {"bootstrap_draws": 300},
    }
)
NEAR = 1e-9


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    return random_dataset(np.random.default_rng(3), 420, 15, defects=False)


def issue(dataset: MarketDataset, first: int, last: int, seed: int = 5, n: int = 4) -> list[Issued]:
    random = np.random.default_rng(seed)
    return [
        Issued(
            dataset.sessions[row].date(),
            tuple(random.choice(dataset.prices.symbols, n, replace=False).tolist()),
            tuple(random.uniform(0.5, 0.7, n).tolist()),
        )
        for row in range(first, last + 1)
    ]


class TestPerformance:
    def test_the_whole_record_is_a_backtest_of_what_was_published(self, dataset: MarketDataset) -> None:
        issued = issue(dataset, 100, 419)
        (whole, *_) = live_performance(dataset, issued, SETTINGS).windows
        rows = [
            {"date": one.decision, "symbol": symbol, "probability": 0.9, "recommended": True}
            for one in issued
            for symbol in one.symbols
        ]
        backtest = run_backtest(dataset, pd.DataFrame(rows), SETTINGS)
        expected = slice_metrics(backtest, backtest.first, backtest.last)
        for name in ("hit_rate", "base_rate", "matched_skill", "total_return", "sharpe_ratio", "max_drawdown"):
            assert getattr(whole, name) == pytest.approx(getattr(expected, name), abs=NEAR), name
        assert whole.market_outperformance == pytest.approx(expected.market_outperformance["SPY"], abs=NEAR)
        assert whole.n_matured == expected.n_matured
        assert (whole.first_session, whole.last_session) == (expected.first_session, expected.last_session)

    @pytest.mark.parametrize("days", [30, 90, 365])
    def test_a_window_is_its_sessions_and_the_outcomes_that_became_known_in_it(
        self, dataset: MarketDataset, days: int
    ) -> None:
        """Against loops over dates and prices."""
        issued = issue(dataset, 40, 419)
        window = next(one for one in live_performance(dataset, issued, SETTINGS).windows if one.days == days)
        newest, since = dataset.sessions[-1], dataset.sessions[-1] - pd.Timedelta(days=days)
        outcomes = compute_outcomes(dataset, SETTINGS.portfolio)
        hits, calibration = [], []
        for one in issued:
            row = dataset.sessions.get_loc(pd.Timestamp(one.decision))
            if row + 6 < len(dataset.sessions) and since < dataset.sessions[row + 6] <= newest:
                for symbol, probability in zip(one.symbols, one.probability, strict=True):
                    hit = outcomes.absolute_hit[row, dataset.prices.symbols.index(symbol)]
                    hits.append(hit)
                    calibration.append((probability - hit) ** 2)
        assert window.n_matured == len(hits) > 0
        assert window.hit_rate == pytest.approx(np.mean(hits), abs=NEAR)
        assert window.brier_score == pytest.approx(np.mean(calibration), abs=1e-6)
        frame, _ = published_frame(issued, dataset)
        backtest = run_backtest(dataset, frame, SETTINGS)
        begin = int(np.flatnonzero(dataset.sessions <= since)[-1])
        equity = backtest.portfolio.equity[begin - backtest.first :]
        assert window.first_session == dataset.sessions[begin].date()
        assert window.total_return == pytest.approx(equity[-1] / equity[0] - 1, abs=NEAR)
        assert window.max_drawdown == pytest.approx(max(1 - equity[i:].min() / equity[i] for i in range(len(equity))))

    def test_bounds_lie_around_the_hit_rate_and_need_two_horizons(self, dataset: MarketDataset) -> None:
        whole, month, *_ = live_performance(dataset, issue(dataset, 100, 419), SETTINGS).windows
        assert whole.hit_rate_lower is not None
        assert whole.hit_rate_upper is not None
        assert whole.hit_rate_lower < (whole.hit_rate or 0) < whole.hit_rate_upper
        assert (whole.skill_lower or 0) < (whole.skill or 0) < (whole.skill_upper or 0)
        short = live_performance(dataset, issue(dataset, 408, 419), SETTINGS).windows[0]
        assert (short.hit_rate_lower, short.skill_upper) == (None, None)
        assert month.n_matured > 0

    def test_what_cannot_be_known_yet_is_none_and_no_error(self, dataset: MarketDataset) -> None:
        assert live_performance(dataset, [], SETTINGS).windows == ()
        assert live_performance(dataset, issue(dataset, 418, 419), SETTINGS).windows == ()
        (whole, *_) = live_performance(dataset, issue(dataset, 416, 419), SETTINGS).windows
        assert (whole.hit_rate, whole.n_matured, whole.brier_score) == (None, 0, None)

    def test_a_symbol_that_is_not_in_the_data_is_named(self, dataset: MarketDataset) -> None:
        issued = issue(dataset, 400, 419)
        issued[0] = replace(issued[0], symbols=("GONE", *issued[0].symbols[1:]))
        found = live_performance(dataset, issued, SETTINGS)
        assert found.not_in_data == ("GONE",)
        assert found.n_recommendations == 20 * 4 - 1


class TestSettlement:
    """Horizon 2: a decision at row i is bought at the open of i + 1 and sold at that of i + 3."""

    PORTFOLIO = PortfolioSettings(horizon=2, min_history_sessions=2, cost_bps=10.0)

    def settlement(self, close: list[list[float]], opens: list[list[float]] | None = None) -> Settlement:
        panel = make_panel(close, open_=opens, symbols=["AA", "BB"][: len(close[0])])
        market = make_panel([[100.0 + i] for i in range(len(close))], symbols=["SPY"])
        return Settlement.of(MarketDataset(prices=panel, benchmarks=market), self.PORTFOLIO)

    def day(self, settlement: Settlement, row: int) -> dt.date:
        day: dt.date = settlement.dataset.sessions[row].date()
        return day

    def test_by_hand(self) -> None:
        settled = self.settlement([[10.0], [11.0], [12.0], [13.0]], [[9.5], [10.5], [11.5], [12.6]])
        outcome = settled.outcome(self.day(settled, 0), "AA")
        assert outcome is not None
        assert (outcome["entry_price"], outcome["exit_price"]) == pytest.approx((10.5, 12.6))
        assert outcome["net_return"] == pytest.approx(12.6 / 10.5 * 0.999**2 - 1)
        assert outcome["benchmark_return"] == pytest.approx(103 / 101 - 1)
        assert (outcome["hit"], outcome["relative_hit"]) == (True, True)
        assert settled.sessions_since_maturity(self.day(settled, 0)) == 0
        assert settled.outcome(self.day(settled, 1), "AA") is None

    def test_prices_that_ended_settle_at_the_last_adjusted_close(self) -> None:
        nan = float("nan")
        settled = self.settlement([[10.0, 1.0], [11.0, 1.0], [10.2, 1.0], [nan, 1.0], [nan, 1.0]])
        outcome = settled.outcome(self.day(settled, 0), "AA")
        assert outcome is not None
        assert outcome["exit_price"] == 10.2
        assert outcome["net_return"] == pytest.approx(10.2 / 11.0 * 0.999**2 - 1)
        assert settled.unresolved(self.day(settled, 0), "AA") is None

    def test_a_symbol_that_left_the_data_is_waited_for_and_then_closed_with_a_reason(self) -> None:
        for n_sessions in (4, 4 + GRACE_SESSIONS - 1, 4 + GRACE_SESSIONS):
            settled = self.settlement([[10.0]] * n_sessions)
            reason = settled.unresolved(self.day(settled, 0), "GONE")
            assert (reason is not None) == (n_sessions == 4 + GRACE_SESSIONS)
        assert "not been in the data for 5 sessions" in str(reason)

    def test_what_could_not_be_bought_is_closed_at_once(self) -> None:
        nan = float("nan")
        settled = self.settlement([[10.0, 1.0], [nan, 1.0], [12.0, 1.0], [13.0, 1.0]])
        assert "could not be bought" in str(settled.unresolved(self.day(settled, 0), "AA"))

    def test_corrections(self) -> None:
        recorded = {"net_return": 0.02, "hit": True}
        assert not was_corrected(recorded, {"net_return": 0.02 + 0.9e-4, "hit": True})
        assert was_corrected(recorded, {"net_return": 0.02 - 1.1e-4, "hit": True})
        assert was_corrected({"net_return": 1e-6, "hit": True}, {"net_return": -1e-6, "hit": False})


class TestDrift:
    def test_psi_by_hand(self) -> None:
        reference = np.repeat(np.arange(10.0), 100)
        current = np.concatenate([np.repeat(np.arange(9.0), 100), np.full(100, 0.0)])
        share = 0.5 / 1000
        expected = (0.2 - 0.1) * math.log(0.2 / 0.1) + (share - 0.1) * math.log(share / 0.1)
        assert psi(reference, current) == pytest.approx(expected)

    def test_psi_of_the_same_distribution_is_small_and_of_another_large(self) -> None:
        random = np.random.default_rng(1)
        reference = random.normal(size=20_000)
        # Expected under no drift: (bins - 1) (1/n + 1/m) (Yurdakul & Naranjo 2020).
        found = [psi(reference, random.normal(size=500)) for _ in range(200)]
        assert np.mean(found) == pytest.approx(9 * (1 / 500 + 1 / 20_000), rel=0.15)  # type: ignore[arg-type]
        assert (psi(reference, random.normal(1.0, 1.0, 500)) or 0) > 0.5
        assert psi(reference, random.normal(size=99)) is None
        assert psi(np.full(500, 2.0), reference) is None

    def features(self, shift: float) -> tuple[FeatureSet, np.ndarray]:
        random = np.random.default_rng(2)
        values = random.normal(size=(300, 30, 3)).astype(np.float32)
        values[279:, :, 1] += shift
        values[:, :, 2] = np.linspace(0, 5, 300)[:, np.newaxis]  # one value a date, and a trend
        sessions = pd.bdate_range("2018-01-01", periods=300)
        symbols = tuple(f"S{n:02d}" for n in range(30))
        names = ("calm", "moved", "vix")
        return FeatureSet(sessions, symbols, names, dict.fromkeys(names, "x"), values), np.ones((300, 30), dtype=bool)

    def drift(self, shift: float) -> Drift:
        features, allowed = self.features(shift)
        training = (features.sessions[0], features.sessions[200])
        random = np.random.default_rng(4)
        scores = random.uniform(size=2000), random.uniform(size=630) ** (1 + shift)
        return measure_drift(features, allowed, ("calm", "moved", "vix", "gone"), training, *scores, LiveSettings())

    def test_what_moved_is_named_and_what_is_market_wide_stands_apart(self) -> None:
        calm, moved = self.drift(0.0), self.drift(3.0)
        assert (calm.n_features, calm.drifted_share, moved.drifted_share) == (2, 0.0, 0.5)
        assert moved.most_drifted[0].feature == "moved"
        assert [one.feature for one in moved.market_wide] == ["vix"]
        assert (calm.score_psi or 0) < 0.1 < 0.5 < (moved.score_psi or 0)
        # Of three inputs the trend lies outside altogether, and of the shifted one most values do not.
        assert calm.outside_share == pytest.approx(1 / 3, abs=0.02)
        assert (moved.outside_share or 0) > (calm.outside_share or 0)


class TestLiveGate:
    def record(self, dataset: MarketDataset, **changes: float | None) -> LivePerformance:
        found = live_performance(dataset, issue(dataset, 100, 419), SETTINGS)
        base = {"hit_rate": 0.6, "base_rate": 0.55, "skill_upper": 0.1, "max_drawdown": 0.05}
        whole = found.windows[0].model_copy(update=base | changes)
        return found.model_copy(update={"windows": (whole, *found.windows[1:])})

    def drift(self, **changes: float | None) -> Drift:
        calm = {"drifted_share": 0.1, "score_psi": 0.1, "median_psi": 0.05, "outside_share": 0.0}
        worst = (FeatureDrift(feature="momentum_12_1", psi=0.7),)
        return Drift.model_validate({"n_features": 10, "most_drifted": worst, "market_wide": (), **calm, **changes})

    @pytest.mark.parametrize(
        ("record", "drift", "verdict", "said"),
        [
            ({}, {}, "PASS", "not below zero"),
            ({"skill_upper": -0.01}, {}, "FAIL", "below zero"),
            ({"skill_upper": None}, {}, "INSUFFICIENT_EVIDENCE", "Too few"),
            ({"max_drawdown": 0.15}, {}, "FAIL", "drawdown of 15.0% has reached 15%"),
            ({"max_drawdown": 0.1499}, {}, "PASS", ""),
            ({"skill_upper": None, "max_drawdown": 0.3}, {}, "FAIL", "Too few.*drawdown of 30.0%"),
            ({}, {"drifted_share": 0.51}, "FAIL", "51% of 10 inputs.*momentum_12_1"),
            ({}, {"drifted_share": 0.5}, "PASS", ""),
            ({}, {"score_psi": 1.01}, "FAIL", "PSI 1.01"),
            ({}, {"score_psi": None, "drifted_share": None}, "PASS", ""),
        ],
    )
    def test_each_number_fails_it_by_itself(
        self,
        dataset: MarketDataset,
        record: dict[str, float | None],
        drift: dict[str, float | None],
        verdict: str,
        said: str,
    ) -> None:
        gate = judge_live(self.record(dataset, **record), self.drift(**drift), SETTINGS)
        assert gate.verdict == verdict
        assert pd.Series([gate.reason]).str.contains(said).all()

    def test_a_champion_begins_without_a_verdict(self) -> None:
        nothing = LivePerformance(n_recommendations=0, not_in_data=(), windows=())
        assert judge_live(nothing, None, SETTINGS).verdict == "INSUFFICIENT_EVIDENCE"


class TestShadowRecord:
    def frame(self, first: str, n: int) -> pd.DataFrame:
        return pd.DataFrame({"date": pd.bdate_range(first, periods=n), "symbol": "AA", "probability": 0.6})

    def test_live_sessions_are_appended_and_the_market_span_keeps_its_length(self) -> None:
        walk = self.frame("2018-01-01", 100).assign(fold=3)
        holdout = self.frame("2018-05-21", 40)
        live = self.frame("2018-07-13", 60)  # its first day is the holdout's last
        record = FrozenRecord.of(walk, holdout, live.assign(probability=0.7))
        assert len(record.frozen) == 40 + 59
        assert record.frozen["probability"].tolist() == [0.6] * 40 + [0.7] * 59
        before, recent = record.split(45)
        days = pd.to_datetime(recent["date"])
        assert days.max() - days.min() < pd.Timedelta(days=45)
        assert len(before) + len(recent) == 100 + 99
        assert before["fold"].unique().tolist() == [3, 4]
        assert pd.to_datetime(before["date"]).max() < days.min()

    def test_without_a_live_record_it_is_the_candidate_again(self) -> None:
        walk, holdout = self.frame("2018-01-01", 100).assign(fold=3), self.frame("2018-05-21", 30)
        empty = pd.DataFrame(columns=["date", "symbol", "probability"])
        before, recent = FrozenRecord.of(walk, holdout, empty).split(90)
        pd.testing.assert_frame_equal(before, walk)
        pd.testing.assert_frame_equal(recent, holdout)
