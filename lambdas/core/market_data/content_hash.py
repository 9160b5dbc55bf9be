"""A hash of what a data set says, whichever library wrote it and in whichever order its rows came."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import FIELDS, MarketDataset, PricePanel


def content_hash(dataset: MarketDataset) -> str:
    """First 16 hex digits of the sha-256 of a data set's content.

    Two data sets with the same values have the same hash: order of rows, order of columns, integer or float type, and
    the version of the Parquet writer do not matter. The notes are no content.
    """
    digest = hashlib.sha256()
    for panel in (dataset.prices, dataset.benchmarks):
        _add_panel(digest, panel)
    for name in ("macro", "fundamentals", "securities", "membership"):
        frame = getattr(dataset, name)
        digest.update(f"\n{name}".encode())
        if frame is not None:
            _add_frame(digest, frame)
    return digest.hexdigest()[:16]


def _add_panel(digest: hashlib._Hash, panel: PricePanel) -> None:
    digest.update(("\n" + ",".join(panel.symbols)).encode())
    digest.update(_canonical(panel.sessions.to_numpy()))
    for name in FIELDS:
        digest.update(_canonical(getattr(panel, name)))


def _add_frame(digest: hashlib._Hash, frame: pd.DataFrame) -> None:
    key = [name for name in ("symbol", "date", "period_end", "start", "filed", "announced") if name in frame]
    ordered = frame.sort_values(key, kind="stable") if key else frame
    for name in sorted(map(str, ordered.columns)):
        digest.update(f"\n{name}:".encode())
        digest.update(_canonical(ordered[name].to_numpy()))


def _canonical(values: np.ndarray) -> bytes:
    """Bytes that depend on the values alone: one NaN, one zero, little-endian, dates as whole days."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[D]").astype("<i8").tobytes()
    if values.dtype.kind in "fiub":
        numbers = np.ascontiguousarray(values, dtype="<f8") + 0.0
        gaps = np.isnan(numbers)
        if gaps.any():
            numbers[gaps] = np.nan
        return numbers.tobytes()
    return "\x1f".join("" if pd.isna(value) else str(value) for value in values).encode()
