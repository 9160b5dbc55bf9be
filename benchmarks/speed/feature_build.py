"""The feature set of the real market: beside a loop over symbols, beside pyqlib, as a whole, and ten times as wide."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.controls.tables import markdown_table
from benchmarks.speed.measuring import PEERS, ROOT, Timing, as_seconds, best_of, in_process, peer_python
from lambdas.core.features import FEATURES, FeatureSet, build_features
from lambdas.core.market_data.dataset import read_dataset, write_dataset
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.market_data.sources.simulated import SimulatedSource

REAL_DATA = ROOT.parent / "shared" / "data"
GIGABYTE = 1024**3
EIGHT = (
    "rsi_14",
    "macd_histogram",
    "bollinger_percent_b",
    "price_to_average_50",
    "price_to_average_200",
    "momentum_12_1",
    "volatility_21",
    "volume_ratio",
)
WIDTHS = (1, 5, 10)
"""How often the market is put beside itself to see how time grows."""


def indicators_of(symbol: pd.DataFrame) -> pd.DataFrame:
    """Eight indicators of one symbol as people write them, with the same treatment of short windows as ours."""
    price, volume = symbol["adj_close"], symbol["volume"]
    result = pd.DataFrame(index=symbol.index)
    change = price.diff()

    def wilder(values: pd.Series) -> pd.Series:
        seeded = values.copy()
        seeded.iloc[14] = values.iloc[1:15].mean()
        seeded.iloc[:14] = np.nan
        return seeded.ewm(alpha=1 / 14, adjust=False).mean()

    gain, loss = wilder(change.clip(lower=0)), wilder(-change.clip(upper=0))
    result["rsi_14"] = 100 - 100 / (1 + gain / loss)
    macd = price.ewm(span=12, adjust=False).mean() - price.ewm(span=26, adjust=False).mean()
    histogram = (macd - macd.ewm(span=9, adjust=False).mean()) / price
    result["macd_histogram"] = histogram.where(np.arange(len(price)) >= 34)
    twenty = price.rolling(20, min_periods=18)
    middle, band = twenty.mean(), 2 * twenty.std(ddof=0)
    result["bollinger_percent_b"] = (price - (middle - band)) / (2 * band)
    for window in (50, 200):
        average = price.rolling(window, min_periods=int(0.9 * window)).mean()
        result[f"price_to_average_{window}"] = price / average - 1
    result["momentum_12_1"] = price.shift(21) / price.shift(252) - 1
    returns = np.log(price).diff()
    result["volatility_21"] = returns.rolling(21, min_periods=19).std() * np.sqrt(252)
    result["volume_ratio"] = volume / volume.rolling(20, min_periods=18).mean()
    return result


def loop(prices: pd.DataFrame) -> pd.DataFrame:
    """Compute the indicators of a long table, symbol by symbol."""
    return pd.concat([indicators_of(symbol) for _, symbol in prices.groupby("symbol", sort=False)])


def measure(repetitions: int = 3) -> dict[str, Any]:
    """Compare and measure everything; the wide markets and the whole build run in processes of their own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = market_folder(Path(scratch))
        dataset = read_dataset(folder)
        result: dict[str, Any] = {"market": f"{dataset.prices.shape[1]} symbols, {dataset.prices.shape[0]} sessions"}
        result["loop"] = beside_the_loop(dataset, repetitions)
        built = build_features(dataset)
        ours = best_of(lambda: build_features(dataset), repetitions)
        result["build"] = as_seconds(ours) | _size(dataset, built)
        result["qlib"] = beside_qlib(dataset, built, ours)
        script = ["-m", "benchmarks.speed.feature_build_process"]
        stored = Path(scratch) / "features.parquet"
        result["whole"] = in_process(sys.executable, [*script, "build", folder, stored])
        result["whole"] |= in_process(sys.executable, [*script, "read", folder, stored])
        result["wide"] = [in_process(sys.executable, [*script, "wide", folder, str(width)]) for width in WIDTHS]
    return result


def market_folder(scratch: Path) -> Path:
    """Return the folder of the real market, or of a simulated one where it is absent."""
    if (REAL_DATA / "prices.parquet").exists():
        return REAL_DATA
    write_dataset(SimulatedSource(n_symbols=495).market().dataset, scratch / "market")
    return scratch / "market"


def beside_the_loop(dataset: MarketDataset, repetitions: int) -> dict[str, Any]:
    """Compare eight indicators with the loop over symbols.

    Raises
    ------
    ValueError
        If a value differs by more than float32 resolves.
    """
    eight = [replace(feature, ranked=False) for feature in FEATURES if feature.name in EIGHT]
    long = long_table(dataset)
    theirs, ours = loop(long), build_features(dataset, eight)
    columns = long["symbol"].map({symbol: column for column, symbol in enumerate(ours.symbols)}).to_numpy()
    rows = ours.sessions.get_indexer(pd.DatetimeIndex(long["date"]))
    distance = {name: _distance(ours.of(name)[rows, columns], theirs[name].to_numpy(), name) for name in EIGHT}
    slow, fast = best_of(lambda: loop(long), 1), best_of(lambda: build_features(dataset, eight), repetitions)
    return {
        "theirs": as_seconds(slow),
        "ours": as_seconds(fast),
        "ratio": slow.cpu / fast.cpu,
        "distance": max(distance.values()),
    }


def long_table(dataset: MarketDataset) -> pd.DataFrame:
    """Rows of `prices.parquet`, by symbol and date."""
    prices = dataset.prices
    column, row = np.nonzero(~np.isnan(prices.close.T))
    return pd.DataFrame(
        {
            "date": dataset.sessions[row],
            "symbol": np.array(prices.symbols, dtype=object)[column],
            "adj_close": prices.adj_close[row, column],
            "volume": prices.volume[row, column],
        }
    )


def beside_qlib(dataset: MarketDataset, built: FeatureSet, ours: Timing) -> dict[str, Any]:
    """Compare the rate of all features with that of Alpha158.

    Raises
    ------
    ValueError
        If what both compute differs.
    """
    prices = dataset.prices
    factor = prices.adj_close / prices.close
    bars = {name: getattr(prices, name) * factor for name in ("open", "high", "low", "close")}
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "bars.npz", Path(folder) / "alphas.npz"
        np.savez(
            given,
            allow_pickle=False,
            sessions=dataset.sessions.strftime("%Y-%m-%d").to_numpy().astype("U10"),
            symbols=np.array(prices.symbols),
            volume=prices.volume,
            vwap=(bars["high"] + bars["low"] + bars["close"]) / 3.0,
            **bars,
        )
        peer = in_process(peer_python("qlib"), [PEERS / "qlib_alpha158.py", given, answer])
        with np.load(answer) as alphas:
            expected = alphas_as_ours(alphas["ROC5"], alphas["MA20"], alphas["STD20"])
    expected["bollinger_percent_b"][:20] = np.nan  # qlib begins its windows with one value
    distance = {}
    for name, values in expected.items():
        both = np.isfinite(values) & np.isfinite(built.of(name))
        both[:, np.isnan(prices.close[0])] = False  # the same, for symbols that are listed later
        if both.mean() < 0.7:
            raise ValueError(f"{name}: only {both.mean():.0%} of the values can be compared")
        distance[name] = float(np.quantile(np.abs(values[both] - built.of(name)[both]), 0.9999))
    # qlib stores float32 prices: a band that is narrow beside the price keeps three digits.
    if distance["reversal_5"] > 1e-5 or distance["bollinger_percent_b"] > 1e-2:
        raise ValueError(f"qlib's values differ from ours by {distance}; nothing to compare")
    size = _size(dataset, built)
    rates = {"ours": size["n_values"] / ours.cpu, "theirs": peer["n_values"] / peer["cpu"]}
    return {**peer, "distance": distance, "values_a_second": rates, "ratio": rates["ours"] / rates["theirs"]}


def alphas_as_ours(roc5: FloatArray, ma20: FloatArray, std20: FloatArray) -> dict[str, FloatArray]:
    """Two of our features from Alpha158's, which are all divided by the close."""
    population = std20 * np.sqrt(19.0 / 20.0)
    return {
        "reversal_5": 1.0 - 1.0 / roc5,
        "bollinger_percent_b": (1.0 - ma20 + 2.0 * population) / (4.0 * population),
    }


def _distance(ours: FloatArray, theirs: FloatArray, name: str) -> float:
    theirs = np.where(np.isinf(theirs), np.nan, theirs)
    if not np.allclose(ours, theirs, rtol=1e-4, atol=1e-6, equal_nan=True):
        wrong = np.flatnonzero(~np.isclose(ours, theirs, rtol=1e-4, atol=1e-6, equal_nan=True))
        raise ValueError(f"{name}: {len(wrong)} values differ, the first {ours[wrong[0]]} and {theirs[wrong[0]]}")
    return float(np.nanmax(np.abs(ours - theirs) / (np.abs(theirs) + 1e-2)))


def _size(dataset: MarketDataset, built: FeatureSet) -> dict[str, int]:
    rows = int((~np.isnan(dataset.prices.close)).sum())
    return {"n_features": len(built.names), "n_values": rows * len(built.names)}


def section(result: dict[str, Any]) -> str:
    """Tables of the page, and whether the targets hold."""
    loop_, qlib, whole, wide = result["loop"], result["qlib"], result["whole"], result["wide"]
    cpu = sum(whole[name]["cpu"] for name in ("read", "build", "write", "read_back"))
    wall = sum(whole[name]["wall"] for name in ("read", "build", "write", "read_back"))
    doubled, tenfold = (wide[-1]["build"]["cpu"] / wide[place]["build"]["cpu"] for place in (1, 0))
    targets = [
        ["eight indicators beside a loop", "at least 5 times", f"{loop_['ratio']:.1f} times", loop_["ratio"] >= 5],
        ["values a second beside Alpha158", "at least 10 times", f"{qlib['ratio']:.1f} times", qlib["ratio"] >= 10],
        [
            "peak memory of the build",
            "at most 1.5 GB",
            _gb(whole["peak_memory"]),
            whole["peak_memory"] <= 1.5 * GIGABYTE,
        ],
        ["read, build, write, read back", "a few seconds", f"{cpu:.1f} CPU s, {wall:.1f} s", wall < 10],
        [
            "5,000 symbols",
            "at most 10,240 MB",
            _gb(wide[-1]["peak_memory"]),
            wide[-1]["peak_memory"] <= 10 * GIGABYTE,
        ],
        ["time of twice the symbols", "twice", f"{doubled:.2f} times (of ten times: {tenfold:.1f})", doubled < 2.2],
    ]
    rates = qlib["values_a_second"]
    return "\n\n".join(
        [
            f"{result['market']}, {result['build']['n_features']} columns.",
            markdown_table(
                ["", "asked for", "measured", "holds"],
                [[name, limit, text, "yes" if holds else "**no**"] for name, limit, text, holds in targets],
            ),
            markdown_table(
                ["", "CPU s", "wall s", "values a second"],
                [
                    ["eight indicators, loop over symbols", *_times(loop_["theirs"]), ""],
                    ["eight indicators, this engine", *_times(loop_["ours"]), ""],
                    [f"Alpha158, pyqlib {qlib['version']}", *_times(qlib), f"{rates['theirs'] / 1e6:.1f} million"],
                    ["all features, this engine", *_times(result["build"]), f"{rates['ours'] / 1e6:.1f} million"],
                ],
            ),
            markdown_table(
                ["whole build, in a process of its own", "CPU s", "wall s"],
                [[name.replace("_", " "), *_times(whole[name])] for name in ("read", "build", "write", "read_back")],
            )
            + f"\n\nThe file has {whole['file_bytes'] / 1e6:.0f} MB; reading it back takes "
            f"{_gb(whole['read_back_peak_memory'])}.",
            markdown_table(
                ["symbols", "CPU s", "wall s", "CPU µs a symbol and session", "peak memory"],
                [
                    [
                        f"{one['n_symbols']:,}",
                        *_times(one["build"]),
                        f"{1e6 * one['build']['cpu'] / one['n_cells']:.2f}",
                        _gb(one["peak_memory"]),
                    ]
                    for one in wide
                ],
            ),
        ]
    )


def _times(timing: dict[str, float]) -> list[str]:
    return [f"{timing['cpu']:.2f}", f"{timing['wall']:.2f}"]


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / GIGABYTE:.2f} GB"
