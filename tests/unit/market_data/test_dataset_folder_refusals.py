"""Bad input to the reader of data set folders is refused: what, where, remedy."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.contracts.base import Symbol
from lambdas.core.errors import InvalidDatasetError, InvalidInputError, UnknownSymbolError
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.tables import SYMBOL_PATTERN


def drop(name, column):
    return lambda frames: frames.update({name: frames[name].drop(columns=column)})


def put(name, row, column, value):
    def change(frames):
        frames[name] = frames[name].astype({column: object}) if isinstance(value, str) else frames[name]
        frames[name].loc[row, column] = value

    return change


def retype(name, column, dtype):
    return lambda frames: frames.update({name: frames[name].astype({column: dtype})})


def repeat(name):
    return lambda frames: frames.update({name: pd.concat([frames[name], frames[name].iloc[[1]]])})


def remove(name):
    return lambda frames: frames.pop(name)


BAD = {
    "no prices": (remove("prices"), ["prices.parquet", "no such file"]),
    "no benchmarks": (remove("benchmarks"), ["benchmarks.parquet", "no such file"]),
    "no rows": (lambda frames: frames.update(prices=frames["prices"].iloc[:0]), ["prices.parquet", "no prices"]),
    "no adj_close": (drop("prices", "adj_close"), ["prices.parquet", "column adj_close is missing", "Needed"]),
    "no symbol": (drop("fundamentals", "symbol"), ["fundamentals.parquet", "column symbol is missing"]),
    "text for a price": (retype("prices", "close", str), ["prices.parquet", "column close", "not a number"]),
    "text for a date": (retype("prices", "date", str), ["prices.parquet", "column date", "date"]),
    "numbers for symbols": (
        lambda frames: frames.update(prices=frames["prices"].assign(symbol=1)),
        ["prices.parquet", "column symbol", "not text"],
    ),
    "a time zone": (
        lambda frames: frames.update(
            prices=frames["prices"].assign(date=frames["prices"]["date"].dt.tz_localize("UTC"))
        ),
        ["prices.parquet", "column date", "without time zone"],
    ),
    "a time of day": (
        lambda frames: frames.update(
            prices=frames["prices"].assign(date=frames["prices"]["date"] + pd.Timedelta("9h"))
        ),
        ["prices.parquet", "column date", "time of day"],
    ),
    "duplicate prices": (repeat("prices"), ["prices.parquet", "1 duplicate", "AAA", "2019-01-03"]),
    "duplicate reports": (repeat("fundamentals"), ["fundamentals.parquet", "duplicate", "BBB", "2018-12-31"]),
    "duplicate securities": (repeat("securities"), ["securities.parquet", "duplicate", "BBB"]),
    "duplicate macro": (repeat("macro"), ["macro.parquet", "duplicate", "2019-01-03"]),
    "a price of zero": (
        put("prices", 22, "close", 0.0),
        ["prices.parquet", "close", "not positive", "BBB", "2019-01-03"],
    ),
    "a negative price": (put("benchmarks", 3, "open", -1.0), ["benchmarks.parquet", "open", "IWM", "2019-01-07"]),
    "an infinite price": (
        put("prices", 2, "high", np.inf),
        ["prices.parquet", "high", "infinite", "AAA", "2019-01-04"],
    ),
    "a negative volume": (put("prices", 2, "volume", -5), ["prices.parquet", "volume", "negative", "2019-01-04"]),
    "half a bar": (
        put("prices", 5, "adj_close", np.nan),
        ["prices.parquet", "adj_close is empty", "AAA", "2019-01-09"],
    ),
    "an infinite figure": (put("fundamentals", 0, "eps", np.inf), ["fundamentals.parquet", "eps", "infinite", "AAA"]),
    "a price on a holiday": (
        put("prices", 5, "date", pd.Timestamp("2019-01-21")),
        ["prices.parquet", "AAA", "2019-01-21", "not a session"],
    ),
    "a price on a weekend": (
        put("prices", 0, "date", pd.Timestamp("2018-12-30")),
        ["prices.parquet", "AAA", "2018-12-30", "not a session"],
    ),
    "lower case": (put("prices", 5, "symbol", "aaa"), ["prices.parquet", "'aaa'", "A-Z"]),
    "no date": (put("prices", 5, "date", pd.NaT), ["prices.parquet", "column date is empty", "AAA"]),
    "no period": (put("fundamentals", 1, "period_end", pd.NaT), ["fundamentals.parquet", "period_end is empty", "BBB"]),
    "an odd hour": (
        put("fundamentals", 0, "release_time", "amc"),
        ["fundamentals.parquet", "'amc'", "AAA", "pre, post"],
    ),
    "no SPY": (
        lambda frames: frames.update(benchmarks=frames["benchmarks"].query("symbol != 'SPY'")),
        ["benchmarks.parquet", "SPY is missing"],
    ),
    "SPY of another year": (
        lambda frames: frames.update(
            benchmarks=frames["benchmarks"].assign(date=frames["benchmarks"]["date"] + pd.Timedelta(days=364))[
                lambda rows: rows["date"].isin(sessions_in(dt.date(2020, 1, 1), dt.date(2020, 2, 28)))
            ]
        ),
        ["benchmarks.parquet", "SPY has no price between 2019-01-02 and 2019-01-31"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line_that_says_where(case, frames, write_folder):
    spoil, expected = BAD[case]
    spoil(frames)
    folder = write_folder(frames)
    with pytest.raises(InvalidDatasetError) as caught:
        read_dataset(folder)
    message = str(caught.value)
    assert "\n" not in message
    for part in expected:
        assert part in message, message


def test_an_unreadable_file_is_named(frames, write_folder):
    folder = write_folder(frames)
    for content in (b"date,symbol,close\n", b"", (folder / "prices.parquet").read_bytes()[:-200]):
        (folder / "prices.parquet").write_bytes(content)
        with pytest.raises(InvalidDatasetError, match=r"prices.parquet: not readable as Parquet"):
            read_dataset(folder)


def test_damage_inside_a_file_is_noticed(frames, write_folder):
    folder = write_folder(frames)
    path = folder / "prices.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(InvalidDatasetError, match=r"prices.parquet"):
        read_dataset(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InvalidDatasetError, match="no such folder"):
        read_dataset(tmp_path / "nowhere")


def test_unknown_symbols_are_named_with_what_was_meant(frames, write_folder):
    with pytest.raises(UnknownSymbolError, match=r"prices.parquet: no prices of symbol AAB.*AAA"):
        read_dataset(write_folder(frames), symbols=["BBB", "AAB"])


@pytest.mark.parametrize("day", ["2018-12-31", "2019-03-01", "2031-01-01"])
def test_an_as_of_outside_the_data_is_refused(frames, write_folder, day):
    with pytest.raises(InvalidInputError, match=rf"as_of {day} lies outside .* from 2019-01-02 to 2019-01-31"):
        read_dataset(write_folder(frames), as_of=dt.date.fromisoformat(day))


@pytest.mark.parametrize(("day", "last"), [("2019-01-13", "2019-01-11"), ("2019-02-05", "2019-01-31")])
def test_an_as_of_between_sessions_or_shortly_after_them_is_not(frames, write_folder, day, last):
    dataset = read_dataset(write_folder(frames), as_of=dt.date.fromisoformat(day))
    assert dataset.sessions[-1] == pd.Timestamp(last)


def test_symbols_are_those_of_the_contracts():
    pattern = Symbol.__metadata__[0].pattern
    assert pattern == f"^{SYMBOL_PATTERN.pattern}$"
