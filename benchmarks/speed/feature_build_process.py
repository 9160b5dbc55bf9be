"""One part of the feature benchmark in a process of its own, so that its peak memory is its own; prints JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.speed.measuring import as_seconds, once
from lambdas.core.features import build_features, read_features, write_features
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.panel import FIELDS, MarketDataset

_T = TypeVar("_T")


def main() -> None:
    """Run the part that is named: `build`, `read` or `wide`."""
    part, folder, last = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    pa.set_cpu_count(os.cpu_count() or 1)  # as on a machine of one's own; the build uses two threads
    parts = {"build": build_and_write, "read": read_back, "wide": wide}
    print(json.dumps(parts[part](folder, last)))


def build_and_write(folder: Path, stored: str) -> dict[str, Any]:
    """Read the market, build the features and write them."""
    read, dataset = timed(lambda: read_dataset(folder))
    build, features = timed(lambda: build_features(dataset))
    write, _ = timed(lambda: write_features(features, Path(stored)))
    size = Path(stored).stat().st_size
    return {"read": read, "build": build, "write": write, "peak_memory": peak_memory(), "file_bytes": size}


def read_back(_folder: Path, stored: str) -> dict[str, Any]:
    """Read the stored features."""
    read, _ = timed(lambda: read_features(Path(stored)))
    return {"read_back": read, "read_back_peak_memory": peak_memory()}


def wide(folder: Path, width: str) -> dict[str, Any]:
    """Build the features of a market that stands `width` times beside itself."""
    dataset = tiled(read_dataset(folder), int(width))
    build, features = timed(lambda: build_features(dataset))
    n_sessions, n_symbols = features.values.shape[:2]
    return {"n_symbols": n_symbols, "n_cells": n_sessions * n_symbols, "build": build, "peak_memory": peak_memory()}


def tiled(dataset: MarketDataset, width: int) -> MarketDataset:
    """Put a market beside itself, under other names; reports and sectors too."""
    names = np.array([f"{symbol}.{number}" for number in range(width) for symbol in dataset.prices.symbols])
    order = np.argsort(names)
    fields = {name: np.tile(getattr(dataset.prices, name), (1, width))[:, order] for name in FIELDS}

    def copies(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        if frame is None:
            return None
        return pd.concat([frame.assign(symbol=frame["symbol"] + f".{number}") for number in range(width)])

    return replace(
        dataset,
        prices=replace(dataset.prices, symbols=tuple(str(name) for name in names[order]), **fields),
        fundamentals=copies(dataset.fundamentals),
        securities=copies(dataset.securities),
    )


def timed(call: Callable[[], _T]) -> tuple[dict[str, float | int], _T]:
    """Time one call and return what it returned."""
    answer: list[_T] = []
    timing = once(lambda: answer.append(call()))
    return as_seconds(timing), answer[0]


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes.

    Linux hands the peak that `getrusage` knows on from the parent to what it starts, so its own record is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
