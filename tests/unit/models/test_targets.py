"""What is learned: residual ranks, blends, uniqueness, and scores neutral to beta and volatility."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from lambdas.core.errors import InsufficientHistoryError
from lambdas.core.labels import MIN_SECTOR, market_betas, residual_ranks, sector_codes
from lambdas.core.models.exposures import EXPOSURES, exposures_of, neutralise
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.training_data import average_uniqueness, training_rows
from lambdas.core.settings import ModelSettings, Target

NAN = np.nan


def with_target(settings: ModelSettings, target: Target, neutral: str = "chosen") -> ModelSettings:
    tuning = settings.tuning.model_copy(update={"target": target, "neutralise": neutral})
    return settings.model_copy(update={"tuning": tuning})


# ---- the residual rank ---------------------------------------------------------------------------------------------


def test_the_residual_rank_by_hand() -> None:
    net = np.array([[0.10, 0.02, 0.04, -0.01, 0.00, 0.05, NAN, 0.50]])
    beta = np.array([[2.0, 1.0, 0.5, 1.0, NAN, 1.5, 1.0, 1.0]])
    sectors = np.array([0, 0, 0, -1, -1, -1, 0, 0])
    allowed = np.array([[True] * 7 + [False]])
    # Less beta times 2 %: .06 .00 .03 | -.03 -.02 .02; sector means .03 and -.01: .03 -.03 .00 | -.02 -.01 .03
    ranks = residual_ranks(net, np.array([0.02]), beta, sectors, allowed)
    np.testing.assert_allclose(ranks[0, :6], (np.array([5.5, 1, 4, 2, 3, 5.5]) - 0.5) / 6)
    assert np.isnan(ranks[0, 6:]).all(), "who has no outcome, or is not eligible, is not ranked"


def test_a_sector_of_two_is_measured_against_everybody() -> None:
    net = np.array([[0.5, 0.4, 0.0, 0.1, 0.2]])
    sectors = np.array([0, 0, 1, 1, 1])
    assert MIN_SECTOR == 3
    ranks = residual_ranks(net, np.zeros(1), np.ones((1, 5)), sectors, np.ones((1, 5), bool))
    # Means: all .24, sector 1 .1; so .26 .16 | -.1 .0 .1
    np.testing.assert_allclose(ranks[0], (np.array([5, 4, 1, 2, 3]) - 0.5) / 5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_residual_ranks_equal_a_slow_loop(seed: int, n_symbols: int, n_sectors: int) -> None:
    rng = np.random.default_rng(seed)
    net = np.round(rng.normal(size=(4, n_symbols)), 1)
    net[rng.random(net.shape) < 0.2] = NAN
    beta = rng.normal(1, 0.3, net.shape)
    spy = rng.normal(size=4)
    sectors = rng.integers(-1, n_sectors, n_symbols)
    allowed = rng.random(net.shape) < 0.8
    found = residual_ranks(net, spy, beta, sectors, allowed)
    for d in range(4):
        members = [j for j in range(n_symbols) if allowed[d, j] and np.isfinite(net[d, j])]
        raw = {j: net[d, j] - beta[d, j] * spy[d] for j in members}
        residual = []
        for j in members:
            like = [raw[k] for k in members if sectors[k] == sectors[j]]
            residual.append(raw[j] - np.mean(like if len(like) >= MIN_SECTOR else list(raw.values())))
        expected = np.full(n_symbols, NAN)
        if members:
            expected[members] = (rankdata(np.round(residual, 12)) - 0.5) / len(members)
        known = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(found[d]), known)
        np.testing.assert_allclose(found[d][known], expected[known], atol=0.51 / max(1, len(members)))
        assert ((found[d][known] > 0) & (found[d][known] < 1)).all()


def test_betas_are_regressions_of_the_sessions_before(market: MarketView) -> None:
    dataset = market.dataset
    date = 400
    own = dataset.prices.adj_close
    spy = dataset.benchmarks.adj_close[:, dataset.benchmarks.symbols.index("SPY")]
    betas = market_betas(dataset, np.array([60, date]))
    assert np.isnan(betas[0]).all(), "sixty sessions are too few"
    x = spy[date - 251 : date + 1] / spy[date - 252 : date] - 1
    for j in range(5):
        y = own[date - 251 : date + 1, j] / own[date - 252 : date, j] - 1
        assert betas[1, j] == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-8)
    later = replace(
        dataset, prices=replace(dataset.prices, adj_close=np.where(np.arange(len(own))[:, None] > date, 1.0, own))
    )
    np.testing.assert_array_equal(market_betas(later, np.array([date])), betas[1:])


def test_sectors_are_numbered_and_may_be_missing(market: MarketView) -> None:
    assert market.dataset.securities is not None
    named = market.dataset.securities.set_index("symbol")["sector"]
    codes = sector_codes(market.dataset)
    symbols = market.dataset.prices.symbols
    for a in range(len(symbols)):
        for b in range(len(symbols)):
            assert (codes[a] == codes[b]) == (named[symbols[a]] == named[symbols[b]])
    assert (sector_codes(replace(market.dataset, securities=None)) == -1).all()


# ---- labels --------------------------------------------------------------------------------------------------------


def test_each_target_has_its_label(market: MarketView, settings: ModelSettings) -> None:
    rows = {
        target: training_rows(market, 300, 600, with_target(settings, target))
        for target in ("absolute", "relative", "residual_rank", "blend")
    }
    hit = {name: getattr(market.outcomes, f"{name}_hit") for name in ("absolute", "relative")}
    for name, values in hit.items():
        data = rows[name]
        np.testing.assert_array_equal(data.label(0.3), values[data.decisions, data.columns])
        assert data.rank is None
    ranked, blend = rows["residual_rank"], rows["blend"]
    assert ranked.rank is not None
    np.testing.assert_array_equal(ranked.label(0.9), ranked.rank)
    np.testing.assert_allclose(blend.label(0.25), 0.25 * rows["relative"].y + 0.75 * ranked.rank)
    np.testing.assert_array_equal(blend.label(1.0), blend.y)
    for date in blend.dates[:5]:
        of_date = ranked.rank[ranked.decisions == date]
        assert of_date.mean() == pytest.approx(0.5)
        assert np.unique(of_date).size == len(of_date)


def test_too_few_rows_are_named(market: MarketView, settings: ModelSettings) -> None:
    with pytest.raises(
        InsufficientHistoryError, match=r"training part .* to .*: \d+ rows with a known outcome, 50 are"
    ):
        training_rows(market, 595, 600, settings)


def test_uniqueness_equals_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    picked = np.argwhere(rng.random((60, 3)) < 0.3)
    decisions, columns, horizon = picked[:, 0] + 100, picked[:, 1], 5
    expected = []
    for i, j in zip(decisions, columns, strict=True):
        shares = []
        for t in range(i + 1, i + 1 + horizon + 1):
            alive = sum(1 for a, b in zip(decisions, columns, strict=True) if b == j and a < t <= a + 1 + horizon)
            shares.append(1 / alive)
        expected.append(np.mean(shares))
    found = average_uniqueness(decisions, columns, horizon)
    np.testing.assert_allclose(found, np.array(expected) / np.mean(expected))


def test_on_a_regular_panel_uniqueness_says_almost_nothing() -> None:
    dates = np.arange(0, 1260, 5)
    weights = average_uniqueness(np.repeat(dates, 2), np.tile([0, 1], len(dates)), 21)
    inner = weights.reshape(-1, 2)[5:-5]
    assert np.ptp(inner) < 0.1
    np.testing.assert_array_equal(weights[::2], weights[1::2])


# ---- neutral scores ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_neutral_scores_do_not_correlate_with_exposures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_dates, n = 4, 30
    exposures = rng.normal(size=(n_dates * n, 2))
    exposures[:, 1] += 0.7 * exposures[:, 0]
    decisions = np.repeat(np.arange(n_dates) * 5, n)
    score = exposures @ [0.8, -0.5] + rng.normal(size=n_dates * n) + decisions
    found = neutralise(score, exposures, decisions)
    for date in np.unique(decisions):
        on = decisions == date
        assert found[on].mean() == pytest.approx(score[on].mean())
        for column in exposures[on].T:
            z = (column - column.mean()) / column.std()
            if np.abs(z).max() < 3:  # clipped ones are neutral to what is left of them
                assert abs(np.corrcoef(found[on], z)[0, 1]) < 1e-9
        design = np.column_stack([np.ones(n), *[np.clip((c - c.mean()) / c.std(), -3, 3) for c in exposures[on].T]])
        fitted = np.linalg.lstsq(design, score[on], rcond=None)[0]
        np.testing.assert_allclose(found[on], score[on] - design @ fitted + score[on].mean(), atol=1e-9)


def test_neutralising_bears_missing_constant_and_few() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=40)
    decisions = np.repeat([0, 5, 10], [20, 15, 5])
    exposures = rng.normal(size=(40, 2))
    exposures[:20, 0] = NAN
    exposures[20:35, 1] = 7.0
    exposures[3, 1] = NAN
    found = neutralise(score, exposures, decisions)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[35:], score[35:])
    assert abs(np.corrcoef(found[20:35], exposures[20:35, 0])[0, 1]) < 1e-9
    assert len(neutralise(score[:0], exposures[:0], decisions[:0])) == 0


def test_exposures_are_features_or_there_are_none(market: MarketView) -> None:
    decisions, columns = np.array([400, 400, 500]), np.array([0, 3, 1])
    values = np.concatenate([market.features.values, np.ones((*market.eligible.shape, 2), np.float32)], axis=2)
    base = list(market.features.names)
    if not set(EXPOSURES) <= set(base):
        assert exposures_of(market.features, decisions, columns) is None
        named = replace(market.features, names=(*base, *EXPOSURES), values=values)
        assert exposures_of(named, decisions, columns).tolist() == [[1.0, 1.0]] * 3  # type: ignore[union-attr]
