"""What a model would say of other values of its features: many versions of a few dates, predicted together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np
import pandas as pd

from lambdas.core.features import FeatureSet
from lambdas.core.market_data.panel import BoolArray, FloatArray

BATCH_ROWS = 16_384
"""Rows that are predicted at a time: many versions of a small market, one of a large one."""

Values = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class Predictor(Protocol):
    """A fitted model that ranks symbols: `EnsembleModel`, or anything with its `predict`."""

    def predict(self, features: FeatureSet, sessions: pd.DatetimeIndex, eligible: BoolArray) -> pd.DataFrame:
        """Return date, symbol and probability of every eligible symbol on the sessions."""


def predict_versions(
    model: Predictor, features: FeatureSet, versions: Iterable[Values], eligible: BoolArray
) -> Iterator[FloatArray]:
    """Predict several versions of the same dates, as if each had dates of its own.

    A call of a model costs more than the rows of a small market, so versions go through it together.

    Parameters
    ----------
    model : Predictor
        Its prediction of a date may depend on that date alone.
    features : FeatureSet
        Symbols and names of the values; its own values are not looked at.
    versions : iterable of ndarray of shape (n_dates, n_symbols, n_features)
    eligible : ndarray of bool, shape (n_dates, n_symbols)

    Yields
    ------
    ndarray of shape (n_dates, n_symbols)
        Probabilities of each version, in their order; NaN where a symbol is not eligible.
    """
    symbols = pd.Index(features.symbols)
    size = max(1, BATCH_ROWS // max(1, int(eligible.sum())))
    remaining = iter(versions)
    while batch := list(islice(remaining, size)):
        values = np.concatenate(batch)
        dates = pd.date_range(features.sessions[0], periods=len(values))
        frame = model.predict(
            replace(features, sessions=dates, values=values), dates, np.tile(eligible, (len(batch), 1))
        )
        grid = np.full(values.shape[:2], np.nan)
        rows = dates.get_indexer(pd.DatetimeIndex(frame["date"]))
        grid[rows, symbols.get_indexer(pd.Index(frame["symbol"]))] = frame["probability"]
        yield from grid.reshape(len(batch), *eligible.shape)
