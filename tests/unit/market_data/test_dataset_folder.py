"""A data set folder as it is read, written, hashed, cut and joined."""

from __future__ import annotations

import datetime as dt
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.dataset import (
    cut_dataset,
    dataset_hash,
    merge_datasets,
    read_dataset,
    select_symbols,
    write_dataset,
)
from lambdas.core.market_data.panel import FIELDS, MarketDataset, PricePanel


def assert_same(one: MarketDataset, other: MarketDataset) -> None:
    for name in ("prices", "benchmarks"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.symbols == second.symbols
        assert first.sessions.equals(second.sessions)
        for field in FIELDS:
            assert_array_equal(getattr(first, field), getattr(second, field))
    for name in ("macro", "fundamentals", "securities", "membership"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        if first is not None:
            pd.testing.assert_frame_equal(first, second, check_dtype=False)
    assert one.notes == other.notes


# --- reading


def test_each_price_lands_on_its_session_and_symbol(frames, write_folder):
    dataset = read_dataset(write_folder(frames))
    assert dataset.prices.symbols == ("AAA", "BBB", "CCC")
    assert dataset.prices.shape == (21, 3)
    for bar in frames["prices"].itertuples():
        row, column = dataset.sessions.get_loc(bar.date), dataset.prices.symbols.index(bar.symbol)
        assert [getattr(dataset.prices, field)[row, column] for field in FIELDS] == [
            getattr(bar, field) for field in FIELDS
        ]
    assert dataset.notes == ()


def test_only_prices_and_benchmarks_are_needed(frames, write_folder):
    for name in ("prices", "benchmarks"):
        frames[name] = frames[name][["date", "symbol", "close", "adj_close"]]
    dataset = read_dataset(write_folder({name: frames[name] for name in ("prices", "benchmarks")}))
    assert np.isnan(dataset.prices.open).all()
    assert np.isnan(dataset.prices.volume).all()
    assert dataset.macro is dataset.fundamentals is dataset.securities is dataset.membership is None


def test_rows_out_of_order_are_sorted_and_it_is_said(frames, write_folder):
    expected = read_dataset(write_folder(frames))
    frames["prices"] = frames["prices"].iloc[::-1]
    dataset = read_dataset(write_folder(frames))
    assert "out of order" in dataset.notes[0]
    assert "symbol CCC" in dataset.notes[0]
    assert dataset_hash(dataset) == dataset_hash(expected)


def test_rows_by_date_are_in_order_too(frames, write_folder):
    frames["prices"] = frames["prices"].sort_values(["date", "symbol"])
    assert read_dataset(write_folder(frames)).notes == ()


def test_rows_without_any_close_are_dropped_and_it_is_said(frames, write_folder):
    frames["prices"].loc[4, ["close", "adj_close"]] = np.nan
    dataset = read_dataset(write_folder(frames))
    assert np.isnan(dataset.prices.adj_close[4, 0])
    assert "1 rows without a close" in dataset.notes[0]


def test_a_gap_of_all_symbols_still_is_a_session(frames, write_folder):
    frames["prices"] = frames["prices"][frames["prices"]["date"] != "2019-01-15"]
    dataset = read_dataset(write_folder(frames))
    assert len(dataset.sessions) == 21
    assert np.isnan(dataset.prices.close[dataset.sessions.get_loc("2019-01-15")]).all()


@pytest.mark.parametrize("kind", ["date32", "timestamp_s", "category", "decimal"])
def test_other_ways_to_write_the_same_are_read(frames, write_folder, kind):
    folder = write_folder(frames)
    expected = dataset_hash(folder)
    table = pa.Table.from_pandas(frames["prices"], preserve_index=False)
    if kind == "date32":
        table = table.set_column(0, "date", table["date"].cast(pa.date32()))
    elif kind == "timestamp_s":
        table = table.set_column(0, "date", table["date"].cast(pa.timestamp("s")))
    elif kind == "category":
        table = table.set_column(1, "symbol", table["symbol"].dictionary_encode())
    else:
        table = table.set_column(7, "volume", table["volume"].cast(pa.decimal128(20, 0)))
    selected = dataset_hash(read_dataset(folder, symbols=["BBB"]))
    pq.write_table(table, folder / "prices.parquet", row_group_size=7)
    assert dataset_hash(folder) == expected
    assert dataset_hash(read_dataset(folder, symbols=["BBB"])) == selected


# --- writing


def test_writing_over_other_files_is_refused_and_leaves_them(frames, write_folder, tmp_path):
    dataset = read_dataset(write_folder(frames))
    target = tmp_path / "documents"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidDatasetError, match="is no data set folder"):
        write_dataset(dataset, target)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


def test_a_failed_write_leaves_what_was_there(frames, write_folder, tmp_path, monkeypatch):
    dataset = read_dataset(write_folder(frames))
    target = tmp_path / "out"
    write_dataset(dataset, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    changed = select_symbols(dataset, ["AAA"])

    def fail(*_args, **_kwargs):
        raise OSError("no space left")

    monkeypatch.setattr("lambdas.core.market_data.dataset.pq.write_table", fail)
    with pytest.raises(OSError, match="no space"):
        write_dataset(changed, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_a_data_set_is_replaced_as_a_whole(frames, write_folder, tmp_path):
    dataset = read_dataset(write_folder(frames))
    target = tmp_path / "deep" / "out"
    write_dataset(dataset, target)
    bare = MarketDataset(dataset.prices, dataset.benchmarks)
    write_dataset(bare, target)
    assert_same(read_dataset(target), bare)


PRICE = st.floats(0.01, 1e6)


@st.composite
def datasets(draw) -> MarketDataset:
    symbols = sorted(draw(st.sets(st.text(string.ascii_uppercase, min_size=1, max_size=4), min_size=1, max_size=4)))
    first = draw(st.dates(dt.date(2012, 1, 1), dt.date(2018, 12, 31)))
    sessions = sessions_in(first, first + dt.timedelta(draw(st.integers(6, 40))))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def panel(names):
        shape = len(sessions), len(names)
        absent = random.random(shape) < draw(st.floats(0.0, 0.6))
        absent[[0, -1]] = False
        gaps = {"open": random.random(shape) < 0.2, "volume": random.random(shape) < 0.2}
        values = {field: random.lognormal(3, 1, shape) for field in FIELDS}
        return PricePanel(
            sessions,
            tuple(names),
            **{field: np.where(absent | gaps.get(field, False), np.nan, values[field]) for field in FIELDS},
        )

    fundamentals = None
    if draw(st.booleans()):
        ends = pd.to_datetime(["2011-12-31", "2012-03-31"])
        rows = [(symbol, end) for symbol in symbols for end in ends]
        fundamentals = pd.DataFrame(rows, columns=["symbol", "period_end"]).assign(
            filed=lambda table: table["period_end"] + pd.Timedelta(days=30),
            release_time=[draw(st.sampled_from(["pre", "post", None])) for _ in rows],
            eps=[draw(st.none() | st.floats(-5, 5)) for _ in rows],
        )
        fundamentals["eps"] = fundamentals["eps"].astype(float)
    return MarketDataset(
        panel(symbols),
        panel(["SPY"]),
        fundamentals=fundamentals,
        notes=tuple(draw(st.lists(st.text(max_size=20), max_size=2))),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dataset=datasets())
def test_what_is_written_is_what_is_read(dataset, tmp_path):
    folder = tmp_path / "round-trip"
    write_dataset(dataset, folder)
    assert_same(read_dataset(folder), dataset)
    assert dataset_hash(folder) == dataset_hash(dataset)


# --- hash


def test_the_hash_is_of_the_content_not_of_the_file(frames, write_folder):
    folder = write_folder(frames)
    before = dataset_hash(folder)
    for name, frame in frames.items():
        shuffled = frame.sample(frac=1.0, random_state=1)[sorted(frame.columns)]
        shuffled.to_parquet(
            folder / f"{name}.parquet", index=False, compression="gzip", version="1.0", row_group_size=5
        )
    assert dataset_hash(folder) == before


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [("prices", "close", 99.0), ("prices", "volume", 1), ("macro", "vix", 20.01), ("fundamentals", "eps", 1.6),
     ("securities", "sector", "Utilities"), ("membership", "start", pd.Timestamp("2010-01-02"))],
)  # fmt: skip
def test_any_changed_value_changes_the_hash(frames, write_folder, name, column, value):
    before = dataset_hash(write_folder(frames))
    frames[name].loc[0, column] = value
    assert dataset_hash(write_folder(frames)) != before


# --- cutting


def test_a_cut_keeps_what_was_known(frames, write_folder):
    dataset = read_dataset(write_folder(frames))

    def reports(day: str) -> list[tuple]:
        known = cut_dataset(dataset, dt.date.fromisoformat(day)).fundamentals
        return list(
            known[["symbol", "eps", "revenue"]]
            .astype(object)
            .where(lambda cell: cell.notna(), None)
            .itertuples(index=False, name=None)
        )

    assert reports("2019-01-10") == []  # Announced after the close of the 10th.
    assert reports("2019-01-11") == [("AAA", 1.5, None)]
    assert reports("2019-01-22") == [("AAA", 1.5, None)]  # Filed that day: known on the next session.
    assert reports("2019-01-23") == [("AAA", 1.5, 100.0)]
    assert reports("2019-01-24") == [("AAA", 1.5, 100.0), ("BBB", 0.4, None)]
    cut = cut_dataset(dataset, dt.date(2019, 1, 13))
    assert cut.sessions[-1] == cut.macro["date"].iloc[-1] == pd.Timestamp("2019-01-11")
    assert_same(cut_dataset(cut, dt.date(2019, 1, 13)), cut)


def test_a_symbol_that_was_not_listed_yet_is_not_in_a_cut(frames, write_folder):
    prices = frames["prices"]
    frames["prices"] = prices[(prices["symbol"] != "CCC") | (prices["date"] > "2019-01-15")]
    folder = write_folder(frames)
    assert cut_dataset(read_dataset(folder), dt.date(2019, 1, 15)).prices.symbols == ("AAA", "BBB")
    assert read_dataset(folder, as_of=dt.date(2019, 1, 16)).prices.symbols == ("AAA", "BBB", "CCC")


# --- joining batches


def test_batches_join_into_what_they_came_from(shared_data: Path):
    whole = read_dataset(shared_data, symbols=["AAPL", "ALXN", "FB", "JPM", "TWTR"])
    batches = [read_dataset(shared_data, symbols=names) for names in (["TWTR", "JPM"], ["FB"], ["ALXN", "AAPL"])]
    assert_same(merge_datasets(batches), whole)


def test_batches_of_different_periods_fill_each_others_benchmarks(frames, write_folder):
    dataset = read_dataset(write_folder(frames))
    early, late = select_symbols(cut_dataset(dataset, dt.date(2019, 1, 15)), ["AAA"]), select_symbols(dataset, ["BBB"])
    merged = merge_datasets([early, late])
    assert len(merged.sessions) == 21
    assert_array_equal(merged.benchmarks.adj_close, dataset.benchmarks.adj_close)
    assert np.isnan(merged.prices.close[-1]).tolist() == [True, False]


def test_an_empty_batch_adds_nothing_and_nothing_but_empty_ones_is_refused(frames, write_folder, tmp_path):
    dataset = read_dataset(write_folder(frames))
    empty = select_symbols(dataset, [])
    write_dataset(empty, tmp_path / "empty")
    again = read_dataset(tmp_path / "empty", allow_empty=True)
    assert_same(merge_datasets([again, dataset]), dataset)
    with pytest.raises(InvalidDatasetError, match="none of the collected batches"):
        merge_datasets([again])
    with pytest.raises(InvalidDatasetError, match="has no prices"):
        read_dataset(tmp_path / "empty")


def test_a_symbol_in_two_batches_is_refused(frames, write_folder):
    dataset = read_dataset(write_folder(frames))
    with pytest.raises(InvalidDatasetError, match="symbol AAA is in batches 0 and 1"):
        merge_datasets([dataset, select_symbols(dataset, ["AAA"])])


def test_real_data_is_read_in_seconds(shared_data: Path):
    dataset = read_dataset(shared_data)
    assert dataset.prices.shape == (2516, 495)
    apple, last = dataset.prices.symbols.index("AAPL"), dataset.sessions.get_loc("2019-12-31")
    assert dataset.prices.close[last, apple] == pytest.approx(293.65)
    assert dataset.notes == ()
