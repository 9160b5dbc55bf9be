from __future__ import annotations

import datetime as dt
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from lambdas.core.errors import InvalidDatasetError, InvalidInputError, InvalidRequestError
from lambdas.core.features import build_features
from lambdas.core.features.registry import FEATURES
from lambdas.core.market_data.dataset import dataset_hash, read_dataset, write_dataset
from lambdas.core.market_data.quality import quality_report
from lambdas.core.market_data.sources import FolderSource, SampleSource, SimulatedSource, open_source
from lambdas.core.market_data.sources import sample as sample_module
from lambdas.core.market_data.sources.simulated import SignalShares


def forward_return(prices, sessions: int = 21):
    ahead = np.full(prices.shape, np.nan)
    ahead[:-sessions] = prices.adj_close[sessions:] / prices.adj_close[:-sessions] - 1.0
    return ahead


def mean_rank_ic(signal, outcome, every: int = 5) -> float:
    values = []
    for row in range(0, len(signal), every):
        both = np.isfinite(signal[row]) & np.isfinite(outcome[row])
        if both.sum() > 10:
            values.append(spearmanr(signal[row][both], outcome[row][both]).statistic)
    return float(np.mean(values))


# --- simulated


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("planted", [0.1, 0.25])
def test_the_planted_signal_has_the_strength_it_says(seed, planted):
    market = SimulatedSource(seed=seed, signal_rank_ic=planted).market()
    measured = mean_rank_ic(market.expected_return, forward_return(market.dataset.prices))
    assert measured == pytest.approx(planted, abs=0.015)


def test_the_signal_has_that_strength_in_every_part_of_the_period():
    market = SimulatedSource(n_symbols=200).market()
    ahead = forward_return(market.dataset.prices)
    parts = [mean_rank_ic(market.expected_return[rows], ahead[rows]) for rows in np.array_split(np.arange(2516), 4)]
    assert np.ptp(parts) < 0.12
    assert min(parts) > 0.15


def test_a_null_market_has_no_signal_hidden_or_not():
    """Not even what is hidden in the informed twin of the market says anything: its mean is within noise of zero."""
    null = SimulatedSource(signal_rank_ic=0.0, n_symbols=60).market()
    assert np.nanmax(np.abs(null.expected_return)) == 0.0
    informed = SimulatedSource(signal_rank_ic=0.25, n_symbols=60).market()
    assert null.dataset.prices.symbols == informed.dataset.prices.symbols
    measured = []
    for seed in range(4):
        told = SimulatedSource(seed=seed, signal_rank_ic=0.25).market().expected_return
        null_prices = SimulatedSource(seed=seed, signal_rank_ic=0.0).market().dataset.prices
        measured.append(mean_rank_ic(told, forward_return(null_prices)))
    assert abs(np.mean(measured)) < 0.02


def test_the_same_seed_is_the_same_market_and_another_is_not():
    hashes = [dataset_hash(SimulatedSource(seed=seed, n_symbols=20).market().dataset) for seed in (4, 5)]
    from lambdas.core.market_data.sources.simulated import _market

    _market.cache_clear()
    assert dataset_hash(SimulatedSource(seed=4, n_symbols=20).market().dataset) == hashes[0] != hashes[1]


def test_the_simulated_market_looks_like_one():
    dataset = SimulatedSource().market().dataset
    prices, spy = dataset.prices, dataset.benchmarks.symbols.index("SPY")
    daily = np.diff(np.log(dataset.benchmarks.adj_close[:, spy]))
    assert 0.11 < daily.std() * np.sqrt(252) < 0.16
    assert 0.08 < daily.mean() * 252 < 0.16
    assert dataset.sessions[-1].date() == dt.date(2019, 12, 31)
    assert dataset.sessions[-1] - dataset.sessions[0] > np.timedelta64(int(9.5 * 365), "D")
    alive = ~np.isnan(prices.close)
    assert (prices.high >= np.maximum(prices.open, prices.close))[alive].all()
    assert (prices.low <= np.minimum(prices.open, prices.close))[alive].all()
    ended = ~alive[-1]
    assert 1 <= ended.sum() <= 6
    assert (prices.adj_close[-1] == prices.close[-1])[~ended].all()
    # SPY is the equally weighted market of what is listed.
    returns = prices.adj_close[1:] / prices.adj_close[:-1] - 1.0
    market = np.nanmean(np.where(alive[1:] & alive[:-1], returns, np.nan), axis=1)
    np.testing.assert_allclose(market, np.expm1(daily), atol=2e-3)
    assert np.corrcoef(market, np.expm1(daily))[0, 1] > 0.999


def test_earnings_jump_on_the_session_that_learns_them():
    """Announced before the open: that session; after the close: the next one. Elsewhere nothing happens."""
    dataset = SimulatedSource(n_symbols=100).market().dataset
    prices = dataset.prices
    gaps = np.abs(prices.open[1:] / prices.close[:-1] - 1.0)
    reports = dataset.fundamentals.query("announced > '2010-01-15' and announced < '2019-12-15'")
    for hour, step in (("pre", 0), ("post", 1)):
        rows = reports[reports["release_time"] == hour]
        sessions = dataset.sessions.searchsorted(rows["announced"]) + step
        on_session = dataset.sessions.isin(rows["announced"])[sessions - step]
        columns = rows["symbol"].map(prices.symbols.index).to_numpy()
        at = gaps[sessions - 1, columns][on_session]
        other = gaps[np.maximum(sessions - 1 + (1 if step == 0 else -1), 0), columns][on_session]
        assert np.nanmean(at) > 2.5 * np.nanmean(other)


def test_the_simulated_market_survives_the_folder(tmp_path):
    dataset = SimulatedSource(n_symbols=12).load(None, as_of=None).dataset
    write_dataset(dataset, tmp_path / "market")
    again = read_dataset(tmp_path / "market")
    assert dataset_hash(again) == dataset_hash(dataset)
    assert again.notes == dataset.notes
    assert "simulated" in again.notes[0]


def test_symbols_and_dates_of_the_simulated_market():
    collected = SimulatedSource(n_symbols=12).load(["SIM03", "AAPL"], as_of=dt.date(2015, 7, 4))
    assert collected.dataset.prices.symbols == ("SIM03",)
    assert collected.dataset.sessions[-1].date() == dt.date(2015, 7, 2)
    assert set(collected.problems) == {"AAPL"}
    assert set(collected.dataset.fundamentals["symbol"]) == {"SIM03"}
    with pytest.raises(InvalidInputError, match="2021-01-04 lies outside"):
        SimulatedSource(n_symbols=12).load(None, as_of=dt.date(2021, 1, 4))
    with pytest.raises(InvalidRequestError, match="5 to 9999"):
        SimulatedSource(n_symbols=2)
    with pytest.raises(InvalidRequestError, match="too short"):
        SimulatedSource(first=dt.date(2019, 6, 3))


# --- folder


def test_a_folder_says_which_symbols_it_does_not_have(frames, write_folder):
    collected = FolderSource(write_folder(frames)).load(["AAA", "NOPE"], as_of=dt.date(2019, 1, 16))
    assert collected.dataset.prices.symbols == ("AAA",)
    assert list(collected.problems) == ["NOPE"]
    nothing = FolderSource(write_folder(frames)).load(["NOPE"], as_of=None)
    assert nothing.dataset.prices.symbols == ()


def test_a_symbol_listed_after_as_of_is_a_problem_of_its_own(frames, write_folder):
    prices = frames["prices"]
    frames["prices"] = prices[(prices["symbol"] != "CCC") | (prices["date"] > "2019-01-25")]
    collected = FolderSource(write_folder(frames)).load(["AAA", "CCC"], as_of=dt.date(2019, 1, 16))
    assert collected.problems == {"CCC": "no price up to 2019-01-16"}


def test_sources_open_by_name(frames, write_folder):
    assert open_source("simulated").name == "simulated"
    assert open_source("sample").name == "sample"
    folder = write_folder(frames)
    assert open_source(str(folder)) == open_source("s3://bucket/key", folder) == FolderSource(folder)
    with pytest.raises(InvalidRequestError, match="'smaple' is neither"):
        open_source("smaple")


# --- sample


@pytest.fixture
def sample():
    for package in ("skfolio", "arch", "zipline-reloaded"):
        try:
            distribution(package)
        except PackageNotFoundError:
            pytest.skip(f"the sample data needs the package {package}: run `make setup`")
    return SampleSource().load(None, as_of=None)


def test_the_sample_ends_where_its_benchmark_ends(sample):
    dataset = sample.dataset
    assert (dataset.sessions[0].date(), dataset.sessions[-1].date()) == (dt.date(1993, 1, 29), dt.date(2018, 4, 27))
    assert len(dataset.prices.symbols) == 20
    assert not np.isnan(dataset.prices.adj_close).any()
    assert dataset.benchmarks.symbols == ("QQQ", "SPY")
    assert not np.isnan(dataset.benchmarks.adj_close[:, 1]).any()
    assert dataset.securities["sector"].notna().all()
    assert dataset.fundamentals is None


def test_the_sample_says_what_its_series_really_are(sample):
    told = " ".join(sample.notes)
    for fact in ("price index", "IWM is missing", "adjusted", "no fundamentals", "hindsight", "from 2013 on"):
        assert fact in told
    assert sample.dataset.notes == sample.notes


def test_known_values_of_the_sample(sample):
    macro = sample.dataset.macro.set_index("date")
    assert macro.loc["2015-08-24", "vix"] == 40.74
    assert macro.loc["2017-03-29", "ust10y"] == pytest.approx(2.39)  # In percent.
    assert macro.loc["2017-03-30":, "ust10y"].isna().all()


def test_the_sample_agrees_with_other_vendors(sample, shared_data):
    """Stocks to a fraction of a percent; SPY with dividends from 2013 on, and without them before, as the notes say."""
    other = read_dataset(shared_data)
    rows = sample.dataset.sessions.get_indexer(other.sessions)
    common = rows >= 0
    symbols = [symbol for symbol in sample.dataset.prices.symbols if symbol in other.prices.symbols]
    assert len(symbols) == 19
    for symbol in symbols:
        here = sample.dataset.prices.adj_close[rows[common], sample.dataset.prices.symbols.index(symbol)]
        there = other.prices.adj_close[common, other.prices.symbols.index(symbol)]
        assert np.abs(np.diff(np.log(here)) - np.diff(np.log(there))).max() < 0.01
    sessions = other.sessions[common]
    here = np.log(sample.dataset.benchmarks.adj_close[rows[common], 1])
    spy = other.benchmarks.symbols.index("SPY")
    total, price = np.log(other.benchmarks.adj_close[common, spy]), np.log(other.benchmarks.close[common, spy])
    late, early = sessions.searchsorted("2013-01-02"), sessions.searchsorted("2012-09-01")
    assert here[-1] - here[late] == pytest.approx(total[-1] - total[late], abs=0.012)
    assert here[early] - here[0] == pytest.approx(price[early] - price[0], abs=0.01)


def test_a_missing_package_names_the_remedy(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(sample_module, "distribution", absent)
    with pytest.raises(InvalidDatasetError, match=r"package skfolio, which is not installed; run `make setup`"):
        sample_module.locate(*sample_module.STOCKS)


def test_an_as_of_after_the_sample_is_refused(sample):
    with pytest.raises(InvalidInputError, match=r"from 1993-01-29 to 2018-04-27"):
        SampleSource().load(None, as_of=dt.date(2019, 1, 2))
    assert SampleSource().load(["AAPL"], as_of=dt.date(2016, 2, 6)).dataset.sessions[-1].date() == dt.date(2016, 2, 5)


# --- what of the simulated market can be set

FAMILIES_ALONE = {
    "fundamental": ("fading_surprise",),
    "technical": ("momentum_126",),
    "sector": ("sector_strength_63",),
    "macro": ("dollar_change_63",),  # which way; whom it concerns is in `dollar_betas`
}


def dollar_betas(dataset):
    """Slope of daily returns on those of the dollar index on the same day, over 252 sessions."""
    returns = pd.DataFrame(np.log(dataset.prices.adj_close)).diff()
    dollar = np.log(dataset.macro["dxy"]).diff()
    return (returns.rolling(252).cov(dollar).to_numpy()) / dollar.rolling(252).var().to_numpy()[:, np.newaxis]


@pytest.mark.parametrize("family", FAMILIES_ALONE)
def test_the_signal_can_be_given_to_one_family_and_keeps_its_strength(family):
    shares = SignalShares(**{**dict.fromkeys(FAMILIES_ALONE, 0.0), family: 1.0})
    market = SimulatedSource(
        n_symbols=60, first=dt.date(2014, 1, 2), last=dt.date(2018, 12, 31), shares=shares
    ).market()
    ahead = forward_return(market.dataset.prices)
    assert mean_rank_ic(market.expected_return, ahead) == pytest.approx(0.25, abs=0.06)
    features = [feature for feature in FEATURES if feature.name in FAMILIES_ALONE[family]]
    built = build_features(market.dataset, features)
    shown = np.prod([built.of(name).astype(float) for name in FAMILIES_ALONE[family]], axis=0)
    if family == "macro":
        shown = shown * dollar_betas(market.dataset)
    found = mean_rank_ic(shown, ahead)
    assert found > 0.08, f"what the family shows is worth a rank IC of {found:.3f}"


def test_delistings_and_missing_reports_can_be_set():
    few = {"n_symbols": 40, "first": dt.date(2016, 1, 4), "last": dt.date(2018, 12, 31)}
    usual, more = SimulatedSource(**few).market(), SimulatedSource(**few, delisted_share=0.25).market()
    none = SimulatedSource(**few, delisted_share=0.0).market()
    ended = [len(quality_report(market.dataset, None, {}, None).ended) for market in (none, usual, more)]
    assert ended == [0, 2, 10]
    assert (more.dataset.membership["end"].notna()).sum() == 10
    half = SimulatedSource(**few, missing_reports=0.5).market().dataset.fundamentals
    share = len(half) / len(usual.dataset.fundamentals)
    assert share == pytest.approx(0.5 / 0.985, abs=0.05)


def test_splits_that_nobody_adjusted_are_those_the_quality_report_suspects():
    source = SimulatedSource(n_symbols=40, first=dt.date(2016, 1, 4), last=dt.date(2018, 12, 31), missed_splits=6)
    market = source.market()
    suspected = quality_report(market.dataset, None, {}, None).suspected_splits
    told = [(row.symbol, row.date.date(), row.ratio) for row in market.missed_splits.itertuples()]
    assert len(told) == 6
    assert [(split.symbol, split.session, split.ratio) for split in suspected] == told
    sound = replace(source, missed_splits=0).market()
    assert quality_report(sound.dataset, None, {}, None).suspected_splits == ()


@pytest.mark.parametrize(
    "wrong", [{"delisted_share": 0.9}, {"missing_reports": 1.0}, {"missed_splits": 99}, {"missed_splits": -1}]
)
def test_a_market_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidRequestError):
        SimulatedSource(n_symbols=20, **wrong)
    with pytest.raises(InvalidRequestError, match="parts of 1"):
        SignalShares(fundamental=0.9)
