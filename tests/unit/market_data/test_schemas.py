"""What the schemas refuse: a message names file, column, the first row that breaks it, how many do, and the remedy."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.dataset import read_dataset


def break_it(frames, table, column, rows, values):
    frame = frames[table].copy()
    frame[column] = frame[column].astype(object) if isinstance(values, str) else frame[column]
    frame.loc[rows, column] = values
    frames[table] = frame


BREACHES = [
    ("prices", "close", [7, 9], -1.0, "holds a price that is not positive (-1) at symbol AAA, date 2019-01-11, in 2"),
    ("prices", "low", [3], np.inf, "holds an infinite value (inf) at symbol AAA, date 2019-01-07; leave the cell"),
    ("prices", "volume", [4], -5, "holds a negative value (-5) at symbol AAA, date 2019-01-08; correct it"),
    ("prices", "adj_close", [5], np.nan, "is empty at symbol AAA, date 2019-01-09; fill it or drop the row"),
    ("benchmarks", "open", [1], 0.0, "holds a price that is not positive (0) at symbol IWM, date 2019-01-03"),
    ("macro", "vix", [2], -3.0, "holds a price that is not positive (-3) at date 2019-01-04"),
    ("fundamentals", "revenue", [0], -np.inf, "holds an infinite value (-inf) at symbol AAA, period_end 2018-11-30"),
    ("fundamentals", "release_time", [1], "noon", "holds 'noon' at symbol BBB, period_end 2018-12-31"),
    ("fundamentals", "period_end", [1], pd.NaT, "is empty at symbol BBB"),
    ("securities", "symbol", [2], "no good", "holds 'no good', which is not of the form"),
    ("membership", "start", [0], pd.NaT, "is empty at symbol AAA; fill it or drop the row"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "rows", "value", "told"), BREACHES)
def test_a_breach_names_file_column_row_and_remedy(frames, write_folder, table, column, rows, value, told):
    break_it(frames, table, column, rows, value)
    folder = write_folder(frames)
    with pytest.raises(InvalidDatasetError) as raised:
        read_dataset(folder)
    assert f"{table}.parquet: column {column} {told}" in str(raised.value)
    assert ";" in str(raised.value)


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        ("prices", "symbol, date", "2 duplicate rows, the first for symbol AAA, date 2019-01-02"),
        ("macro", "date", "2 duplicate rows, the first for date 2019-01-02"),
        ("securities", "symbol", "2 duplicate rows, the first for symbol AAA"),
        ("membership", "symbol, start", "2 duplicate rows, the first for symbol AAA, start 2010-01-01"),
    ],
)
def test_rows_that_share_a_key_are_refused(frames, write_folder, table, key, told):
    frames[table] = pd.concat([frames[table], frames[table].iloc[:2]])
    with pytest.raises(InvalidDatasetError, match=re.escape(f"{table}.parquet: {told}; keep one row for each {key}")):
        read_dataset(write_folder(frames))


def test_a_weekend_and_a_time_of_day_are_refused(frames, write_folder):
    prices = frames["prices"].copy()
    frames["prices"] = prices.assign(date=prices["date"].where(prices.index != 3, pd.Timestamp("2019-01-05")))
    with pytest.raises(
        InvalidDatasetError, match=r"column date is not a session of XNYS at symbol AAA, date 2019-01-05"
    ):
        read_dataset(write_folder(frames))
    frames["prices"] = prices.assign(date=prices["date"].where(prices.index != 3, pd.Timestamp("2019-01-07 16:00")))
    with pytest.raises(InvalidDatasetError, match=r"column date holds 2019-01-07 16:00:00, a time of day"):
        read_dataset(write_folder(frames))


def test_gaps_are_no_breach(frames, write_folder):
    frames["prices"].loc[[2, 3], ["open", "high", "low", "close", "adj_close", "volume"]] = np.nan
    frames["macro"].loc[4, "vix"] = np.nan
    dataset = read_dataset(write_folder(frames))
    assert "prices.parquet: 2 rows without a close were dropped" in dataset.notes
    assert np.isnan(dataset.macro["vix"][4])


def test_pandera_is_loaded_when_a_data_set_is_read_and_not_before():
    code = "import sys, lambdas.fundamental_data_enrichment.handler; print({'pandera', 'yfinance'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "set()\n"
