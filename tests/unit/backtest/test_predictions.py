"""What a predictions file may hold, and the one line it is refused with."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from markets import NAN, make_panel
from numpy.testing import assert_array_equal

from lambdas.core.backtest.predictions import align_predictions, read_predictions
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.market_data.panel import MarketDataset

DAYS = ["2015-01-05", "2015-01-06", "2015-01-07", "2015-01-08"]


@pytest.fixture
def dataset() -> MarketDataset:
    return MarketDataset(
        prices=make_panel(np.ones((4, 2)), symbols=["AAA", "CCC"]),
        benchmarks=make_panel(np.full((4, 2), 7.0), symbols=["QQQ", "SPY"]),
    )


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS[:2], "symbol": ["AAA", "CCC"], "probability": [0.25, 0.75]} | columns)


def test_rows_land_on_their_session_and_symbol_in_any_order(dataset):
    rows = pd.concat([frame(), frame(date=[DAYS[3], DAYS[3]])]).sample(frac=1, random_state=1)
    aligned = align_predictions(rows, dataset)
    assert_array_equal(aligned.probability, [[0.25, NAN], [NAN, 0.75], [NAN, NAN], [0.25, 0.75]])
    assert (aligned.first, aligned.last) == (0, 3)
    assert aligned.recommended is None
    assert aligned.fold is None


@pytest.mark.parametrize(
    "dates",
    [
        [dt.date(2015, 1, 5), dt.date(2015, 1, 6)],
        pd.to_datetime(DAYS[:2]),
        pd.to_datetime(DAYS[:2]).tz_localize("America/New_York") + pd.Timedelta(hours=16),
        pd.to_datetime(DAYS[:2]).astype("datetime64[s]"),
    ],
)
def test_a_date_is_a_day_whatever_its_type(dataset, dates):
    assert_array_equal(align_predictions(frame(date=dates), dataset).probability[:2], [[0.25, NAN], [NAN, 0.75]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"probability": [0.5, NAN]}, r"row 1, 2015-01-06 CCC: probability is missing or not a finite number"),
        ({"probability": [np.inf, 0.5]}, r"row 0, 2015-01-05 AAA: probability is missing or not"),
        ({"probability": ["high", "low"]}, r"row 0.*\(2 such rows\)"),
        ({"probability": [0.5, 1.01]}, r"row 1, 2015-01-06 CCC: probability is outside \[0, 1\]"),
        ({"probability": [-0.01, 0.5]}, r"row 0, 2015-01-05 AAA: probability is outside"),
        ({"date": ["2015-01-10", DAYS[0]]}, r"row 0, 2015-01-10 AAA: the date is not a session"),
        ({"date": ["2030-01-07", DAYS[0]]}, r"the date is not a session"),
        ({"date": ["soon", DAYS[0]]}, r"column date holds something that is no date"),
        ({"date": [None, DAYS[0]]}, r"row 0: date is missing"),
        ({"symbol": ["AAA", None]}, r"row 1: symbol is missing"),
        ({"symbol": ["AAA", "ZZZ"]}, r"row 1, 2015-01-06 ZZZ: the symbol has no prices"),
        ({"symbol": ["AAA", "SPY"]}, r"SPY: the symbol has no prices .* by a column `recommended`"),
        ({"symbol": ["AAA", "AAA"], "date": [DAYS[0], DAYS[0]]}, r"row 1, 2015-01-05 AAA: a second row"),
        ({"recommended": [True, None]}, r"row 1: recommended must be true or false"),
        ({"recommended": ["yes", "no"]}, r"row 0: recommended must be true or false, not 'yes'"),
        ({"fold": [0, 1.5]}, r"column fold must hold whole numbers"),
        ({"fold": [0, NAN]}, r"column fold must hold whole numbers"),
        ({"fold": [1, 0]}, r"column fold must grow with the date"),
        ({"fold": [0, 1], "date": [DAYS[0], DAYS[0]]}, r"one date is in two folds"),
    ],
)
def test_refused_with_the_row_at_fault(dataset, columns, message):
    with pytest.raises(InvalidPredictionsError, match=message):
        align_predictions(frame(**columns), dataset)


@pytest.mark.parametrize("column", ["date", "symbol", "probability"])
def test_a_missing_column_is_named(dataset, column):
    with pytest.raises(InvalidPredictionsError, match=f"column {column} is missing"):
        align_predictions(frame().drop(columns=column), dataset)


def test_no_row_at_all_is_refused(dataset):
    with pytest.raises(InvalidPredictionsError, match="there is no row"):
        align_predictions(frame().iloc[:0], dataset)


@pytest.mark.parametrize("flags", [[True, False], [1, 0], ["true", "False"], np.array([True, False])])
def test_the_files_own_recommendations(dataset, flags):
    aligned = align_predictions(frame(recommended=flags, fold=[0, 1]), dataset)
    assert_array_equal(aligned.recommended, [[True, False], [False, False], [False, False], [False, False]])
    assert_array_equal(aligned.fold, [0, 1, -1, -1])


def test_a_recommended_benchmark_becomes_a_symbol_outside_the_universe(dataset):
    aligned = align_predictions(frame(symbol=["AAA", "SPY"], recommended=[True, True]), dataset)
    assert aligned.dataset.prices.symbols == ("AAA", "CCC", "SPY")
    assert_array_equal(aligned.dataset.prices.close[0], [1.0, 1.0, 7.0])
    assert_array_equal(aligned.outside_universe, [False, False, True])
    assert dataset.prices.symbols == ("AAA", "CCC")


def test_columns_stay_alphabetical_when_a_benchmark_is_added():
    data = MarketDataset(
        prices=make_panel(np.array([[1.0, 2.0]] * 4), symbols=["AAA", "ZZZ"]),
        benchmarks=make_panel(np.full((4, 1), 7.0), symbols=["SPY"]),
    )
    aligned = align_predictions(frame(symbol=["SPY", "ZZZ"], recommended=[True, False]), data)
    assert aligned.dataset.prices.symbols == ("AAA", "SPY", "ZZZ")
    assert_array_equal(aligned.dataset.prices.close[0], [1.0, 7.0, 2.0])
    assert_array_equal(aligned.probability[:2], [[NAN, 0.25, NAN], [NAN, NAN, 0.75]])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_are_read(dataset, tmp_path, suffix):
    path = tmp_path / f"predictions{suffix}"
    rows = frame(recommended=[True, False])
    rows.to_parquet(path) if suffix == ".parquet" else rows.to_csv(path, index=False)
    aligned = align_predictions(read_predictions(path), dataset)
    assert_array_equal(aligned.probability[:2], [[0.25, NAN], [NAN, 0.75]])
    assert aligned.recommended.sum() == 1


def test_the_ticker_NA_is_a_ticker(tmp_path):  # noqa: N802
    path = tmp_path / "predictions.csv"
    frame(symbol=["NA", "CCC"]).to_csv(path, index=False)
    assert read_predictions(path)["symbol"].tolist() == ["NA", "CCC"]


@pytest.mark.parametrize("column", ["date", "symbol", "probability", "recommended", "fold"])
def test_a_column_of_lists_is_refused(tmp_path, column):
    columns = {"date": DAYS[:1], "symbol": ["AAA"], "probability": [0.5], column: [[1.0, 2.0]]}
    pd.DataFrame(columns).to_parquet(tmp_path / "p.parquet")

    with pytest.raises(InvalidPredictionsError, match=rf"column {column} holds list.*one value a row"):
        read_predictions(tmp_path / "p.parquet")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InvalidPredictionsError, match="there is no such file"):
        read_predictions(tmp_path / "nothing.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"this is no parquet")
    with pytest.raises(InvalidPredictionsError, match=r"broken\.parquet: not readable"):
        read_predictions(broken)
