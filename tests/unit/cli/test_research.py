"""The research commands on a small market: files that come out, and every wrong input as one line and status 2."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cli.main import app, call
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource

QUICK = """
[tuning]
n_trials = 1
inner_folds = 2
network_seeds = 1

[evidence]
bootstrap_draws = 200
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("market") / "data"
    source = SimulatedSource(n_symbols=12, first=dt.date(2014, 1, 2), last=dt.date(2017, 12, 29))
    write_dataset(source.load(None, as_of=None).dataset, place)
    return place


@pytest.fixture(scope="module")
def walked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("walked")
    (place / "quick.toml").write_text(QUICK)
    arguments = ["walk-forward", "--data", str(folder), "--lookback-days", "90", "--threads", "1"]
    arguments += ["--settings", str(place / "quick.toml"), "--out", str(place / "predictions.parquet")]
    assert call(app, [*arguments, "--json", str(place / "numbers.json")]) == 0
    return place


def test_walk_forward_predicts_each_session_once_and_ends_with_the_holdout(walked: Path) -> None:
    predictions = pd.read_parquet(walked / "predictions.parquet")
    assert not predictions.duplicated(["date", "symbol"]).any()
    assert predictions["probability"].between(0, 1).all()
    by_fold = predictions.groupby("fold")["date"].agg(["min", "max"])
    assert list(by_fold.index) == [0, 1, 2, 3]
    assert by_fold["max"].iloc[-1] == pd.Timestamp("2017-12-29")
    assert (by_fold["min"].iloc[1:].to_numpy() > by_fold["max"].iloc[:-1].to_numpy()).all()


def test_backtest_of_the_predictions_is_what_walk_forward_printed(folder: Path, walked: Path, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    arguments = ["backtest", "--data", str(folder), "--predictions", str(walked / "predictions.parquet")]
    assert call(app, [*arguments, "--json", str(out)]) == 0
    again, first = json.loads(out.read_text()), json.loads((walked / "numbers.json").read_text())
    for name in ("hit_rate", "base_rate", "matched_skill", "sharpe_ratio", "max_drawdown", "total_return", "rank_ic"):
        assert again[name] == first[name], name
    for name in ("by_year", "by_sector", "monthly", "quantiles"):
        assert again[name], name
        assert again[name] == first[name], name
    # Only the walk-forward knows the searches behind the predictions.
    assert 1 <= first["effective_trials"] <= first["n_trials"]
    assert first["pbo"] is not None
    assert again["pbo"] is None


def test_a_trained_model_predicts_the_last_session(folder: Path, walked: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "today.parquet"
    settings = ["--settings", str(walked / "quick.toml"), "--threads", "1"]
    about = ["--json", str(tmp_path / "model.json")]
    assert call(app, ["train", "--data", str(folder), "--model", str(model), *settings, *about]) == 0
    manifest, told = (json.loads(path.read_text()) for path in (model / "manifest.json", tmp_path / "model.json"))
    assert manifest.items() <= told.items()
    assert told["n_trials"] >= 3
    assert call(app, ["predict", "--data", str(folder), "--model", str(model), "--out", str(out)]) == 0
    predictions = pd.read_parquet(out)
    assert set(predictions["date"]) == {pd.Timestamp("2017-12-29")}
    (model / "manifest.json").write_text((model / "manifest.json").read_text().replace("2017", "2016"))
    assert (
        call(app, ["predict", "--data", str(folder), "--model", str(model), "--out", str(tmp_path / "no.parquet")]) == 1
    )
    assert not (tmp_path / "no.parquet").exists()


def test_features_are_one_row_a_date_and_symbol(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    assert call(app, ["features", "--data", str(folder), "--out", str(out), "--check-truncation", "2"]) == 0
    frame = pd.read_parquet(out)
    assert not frame.duplicated(["date", "symbol"]).any()
    prices = pd.read_parquet(folder / "prices.parquet")
    assert len(frame) == len(prices)


def rewrite(change: Callable[[pd.DataFrame], pd.DataFrame], name: str = "prices.parquet") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        change(pd.read_parquet(folder / name)).to_parquet(folder / name, index=False)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "prices.parquet").unlink(), "prices.parquet"),
        (lambda folder: (folder / "prices.parquet").write_bytes(b"not parquet"), "prices.parquet"),
        (rewrite(lambda frame: frame.drop(columns="adj_close")), "adj_close"),
        (rewrite(lambda frame: frame.assign(close="high")), "close"),
        (rewrite(lambda frame: pd.concat([frame, frame.iloc[[0]]])), "prices.parquet"),
        (rewrite(lambda frame: frame.assign(close=frame["close"].where(frame.index != 5, -1.0))), "close"),
        (
            rewrite(lambda frame: frame.assign(adj_close=frame["adj_close"].where(frame.index != 5, np.inf))),
            "adj_close",
        ),
        (rewrite(lambda frame: frame[frame["symbol"] != "SPY"], "benchmarks.parquet"), "SPY"),
    ],
    ids=["missing", "unreadable", "no column", "wrong type", "duplicate", "negative", "infinite", "no SPY"],
)
def test_a_broken_data_set_is_one_line_that_names_the_place(
    folder: Path,
    walked: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    says: str,
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "numbers.json"
    broken.mkdir()
    for file in folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    spoil(broken)
    predictions = str(walked / "predictions.parquet")
    status = call(app, ["backtest", "--data", str(broken), "--predictions", predictions, "--json", str(out)])
    assert_refused(status, capfd, says)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--symbols", "SIM01,NOPE"], "NOPE"),
        (["--as-of", "2031-01-02"], "2031-01-02"),
        (["--as-of", "1999-01-04"], "1999-01-04"),
        (["--as-of", "2015-01-02"], "sessions"),
        (["--lookback-days", "3"], "lookback_days"),
        (["--settings", "absent.toml"], "absent.toml"),
        (["--json", "absent/numbers.json"], "absent"),
        (["--json", "."], "is a folder"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    out = tmp_path / "predictions.parquet"
    status = call(app, ["walk-forward", "--data", str(folder), "--out", str(out), *arguments])
    assert_refused(status, capfd, says)
    assert list(tmp_path.iterdir()) == []


def assert_refused(status: int, capfd: pytest.CaptureFixture[str], says: str) -> None:
    lines = [line for line in capfd.readouterr().err.splitlines() if line and not line.startswith("simulated market")]
    assert status == 2, lines
    assert len(lines) == 1, lines
    assert says in lines[0]
    assert lines[0].startswith("error: ")
