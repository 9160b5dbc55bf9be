"""`amts collect`: a data set folder of any source, CSV files among them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from cli.main import app, call
from lambdas.core.market_data.dataset import dataset_hash, write_dataset
from lambdas.core.market_data.sources import SimulatedSource


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "data"
    source = SimulatedSource(n_symbols=6, first=dt.date(2016, 1, 4), last=dt.date(2017, 6, 30))
    write_dataset(source.load(None, as_of=None).dataset, folder)
    return folder


@pytest.fixture
def texts(parquet: Path, tmp_path: Path) -> Path:
    """Every table as CSV, as pandas writes it."""
    folder = tmp_path / "csv"
    folder.mkdir()
    for file in parquet.glob("*.parquet"):
        pd.read_parquet(file).to_csv(folder / f"{file.stem}.csv", index=False)
    return folder


def test_csv_files_are_the_same_data_set(parquet: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "my-data"
    assert call(app, ["collect", "--data", str(texts), "--out", str(out), "--json", str(tmp_path / "q.json")]) == 0
    assert dataset_hash(out) == dataset_hash(parquet)
    assert json.loads((tmp_path / "q.json").read_text())["n_symbols"] == 6
    assert {file.suffix for file in out.iterdir()} == {".parquet"}


def test_research_reads_a_folder_of_csv_files(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(app, ["features", "--data", str(texts), "--out", str(tmp_path / "features.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "features.parquet")["symbol"].nunique() == 6
    assert sorted(file.suffix for file in texts.iterdir()) == [".csv"] * len(list(texts.iterdir()))


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("date", "31.12.2017", "dates are written 2019-12-31"),
        ("close", "12,50", "numbers 1234.5"),
        ("close", "-1", "close"),
    ],
)
def test_a_wrong_value_names_the_csv_file_and_no_temporary_one(
    texts: Path, capfd: pytest.CaptureFixture[str], column: str, value: str, says: str
) -> None:
    prices = pd.read_csv(texts / "prices.csv", dtype=str)
    prices.loc[7, column] = value
    prices.to_csv(texts / "prices.csv", index=False)
    assert call(app, ["features", "--data", str(texts)]) == 2
    error = capfd.readouterr().err.strip()
    assert str(texts / "prices.csv") in error
    assert says in error
    assert "\n" not in error


def test_a_parquet_file_counts_before_a_csv_file_of_its_name(parquet: Path, texts: Path, tmp_path: Path) -> None:
    (texts / "prices.parquet").write_bytes((parquet / "prices.parquet").read_bytes())
    (texts / "prices.csv").write_text("nonsense")
    assert call(app, ["collect", "--data", str(texts), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "yahoo", "--symbols", "KO"], "AMTS_EDGAR_CONTACT"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "sample", "--from", "2015-01-01"], "only yahoo"),
        (["--data", "sample", "--symbols", "NOPE"], "NOPE"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AMTS_EDGAR_CONTACT", raising=False)
    assert call(app, ["collect", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert says in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_research_on_yahoo_says_how_to_collect_it_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(app, ["features", "--data", "yahoo"]) == 2
    assert "amts collect --data yahoo" in capsys.readouterr().err
