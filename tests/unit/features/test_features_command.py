"""`amts features`: what it writes, and how it ends when a feature looks ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.controls import planted_leaks
from cli.main import app, call
from lambdas.core.features import build, build_features, read_features, registry, transformed
from lambdas.core.market_data.dataset import write_dataset


@pytest.fixture(scope="module")
def folder(market, tmp_path_factory):
    path = tmp_path_factory.mktemp("command") / "market"
    write_dataset(market, path)
    return path


def test_without_an_output_it_only_looks(folder, capsys):
    assert call(app, ["features", "--data", str(folder), "--check-truncation", "2"]) == 0
    assert "passed on 2 dates" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("transform", ["raw", "rank", "zscore"])
def test_the_file_is_the_transformed_set(transform, folder, market, tmp_path):
    out = tmp_path / "features.parquet"
    assert call(app, ["features", "--data", str(folder), "--out", str(out), "--transform", transform]) == 0
    expected = transformed(build_features(market), transform)
    again = read_features(out)
    assert again.names == expected.names
    np.testing.assert_array_equal(again.values, expected.values)
    assert list(pd.read_parquet(out).columns) == ["date", "symbol", *expected.names]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--transform", "log"], "--transform log: not one of raw, rank, zscore"),
        (["--check-truncation", "9999"], "--check-truncation 9999: there are 754 sessions"),
    ],
)
def test_wrong_options_end_in_one_line_and_status_2(options, message, folder, capsys):
    assert call(app, ["features", "--data", str(folder), *options]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_leak_ends_in_status_1_with_its_place_and_both_values(folder, tmp_path, monkeypatch, capsys):
    leak = next(leak for leak in planted_leaks.LEAKS if leak.name == "tomorrows_return")
    monkeypatch.setattr(
        build, "available_features", lambda dataset, features: (*registry.available_features(dataset, features), leak)
    )
    out = tmp_path / "features.parquet"
    assert call(app, ["features", "--data", str(folder), "--out", str(out), "--check-truncation", "3"]) == 1
    message = capsys.readouterr().err.replace("\n", " ")
    assert "of tomorrows_return; the first: tomorrows_return of SIM" in message
    assert " from all data and nan from what was known then" in message
    assert not out.exists()
