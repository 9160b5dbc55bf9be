from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.features import build_features, feature_frame, read_features, write_features
from lambdas.core.market_data.sources import SimulatedSource


@pytest.fixture(scope="module")
def market():
    return SimulatedSource(n_symbols=10, first=dt.date(2018, 1, 2)).market().dataset


@pytest.fixture(scope="module")
def features(market):
    return build_features(market)


def test_what_is_written_is_what_is_read(features, tmp_path):
    path = tmp_path / "deep" / "features.parquet"
    write_features(features, path)
    again = read_features(path)
    assert again.names == features.names
    assert again.symbols == features.symbols
    assert again.families == features.families
    assert again.sessions.equals(features.sessions)
    assert again.values.dtype == np.float32
    np.testing.assert_array_equal(again.values, features.values)
    assert [file.name for file in path.parent.iterdir()] == ["features.parquet"]


def test_the_table_has_a_row_for_each_close(market, features):
    frame = feature_frame(features)
    assert list(frame.columns[:2]) == ["date", "symbol"]
    assert tuple(frame.columns[2:]) == features.names
    rows, _columns = np.nonzero(~np.isnan(market.prices.close))
    assert len(frame) == len(rows)
    assert frame.equals(frame.sort_values(["date", "symbol"]))
    assert (frame.dtypes.iloc[2:] == np.float32).all()
    picked = frame[(frame["date"] == market.sessions[300]) & (frame["symbol"] == "SIM04")]
    assert picked["rsi_14"].item() == features.of("rsi_14")[300, features.symbols.index("SIM04")]


def test_the_file_is_the_table(features, tmp_path):
    path = tmp_path / "features.parquet"
    write_features(features, path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), feature_frame(features))


def test_a_failed_write_leaves_no_file(features, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("no space left")

    monkeypatch.setattr("lambdas.core.features.storage.pq.ParquetWriter.write_table", fail)
    with pytest.raises(OSError, match="no space"):
        write_features(features, tmp_path / "features.parquet")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_feature_sets_are_named(features, tmp_path):
    with pytest.raises(InvalidDatasetError, match="no such file"):
        read_features(tmp_path / "features.parquet")
    (tmp_path / "other.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(InvalidDatasetError, match="not readable"):
        read_features(tmp_path / "other.parquet")
    pd.DataFrame({"date": [1]}).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(InvalidDatasetError, match="is not a feature set"):
        read_features(tmp_path / "table.parquet")
