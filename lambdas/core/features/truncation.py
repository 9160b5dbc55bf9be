"""The truncation test (definitions, section 9): no feature may change when everything later is taken away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidInputError, LookAheadError
from lambdas.core.features.build import FeatureSet, build_features
from lambdas.core.features.feature import LAGGED_MACRO, Feature
from lambdas.core.features.registry import FEATURES
from lambdas.core.market_data.dataset import cut_dataset
from lambdas.core.market_data.panel import MarketDataset

_RELATIVE, _ABSOLUTE = 1e-5, 1e-7
"""float32 resolves a hundredth of this; a leak shows in the first digits."""


@dataclass(frozen=True)
class Difference:
    """A feature that knew more than it could: its value with all data, and with what was known at that close."""

    feature: str
    date: dt.date
    symbol: str
    full: float
    truncated: float

    def __str__(self) -> str:
        """One line that names the place and both values."""
        return (
            f"{self.feature} of {self.symbol} on {self.date} is {self.full:g} from all data "
            f"and {self.truncated:g} from what was known then"
        )


def information_at_close(dataset: MarketDataset, day: dt.date) -> MarketDataset:
    """Everything known at the close of `day`: `cut_dataset`, without the macro values that come out after the close."""
    known = cut_dataset(dataset, day)
    if known.macro is not None and len(known.macro):
        macro = known.macro.copy()
        late = [name for name in LAGGED_MACRO if name in macro]
        macro.loc[macro.index[-1], late] = np.nan
        known = replace(known, macro=macro)
    return known


def check_truncation(
    dataset: MarketDataset,
    dates: Iterable[dt.date],
    features: Sequence[Feature] = FEATURES,
    built: FeatureSet | None = None,
) -> list[Difference]:
    """Recompute the features of each date from what was known at its close, and compare.

    Parameters
    ----------
    dataset : MarketDataset
    dates : iterable of date
        Sessions of the data set.
    features : sequence of Feature
        By default all of the registry.
    built : FeatureSet, optional
        What `features` are from all of `dataset`, if they have been built already.

    Returns
    -------
    list of Difference
        Empty if no feature looks ahead. Symbols without a price by then must have no value at all.

    Raises
    ------
    InvalidInputError
        If a date is no session of the data set.
    """
    whole = built or build_features(dataset, features)
    differences = []
    for day in dates:
        row = int(whole.sessions.get_indexer(pd.DatetimeIndex([pd.Timestamp(day)]))[0])
        if row < 0:
            raise InvalidInputError(f"{day} is not a session of the data set; compare features on sessions")
        full = whole.values[row].astype(np.float64)
        truncated = np.full(full.shape, np.nan)
        known = build_features(information_at_close(dataset, day), features)
        if len(known.sessions) and known.sessions[-1] == whole.sessions[row]:
            columns = [whole.symbols.index(symbol) for symbol in known.symbols]
            numbers = [whole.names.index(name) for name in known.names]
            truncated[np.ix_(columns, numbers)] = known.values[-1]
        unequal = ~np.isclose(full, truncated, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
        differences += [
            Difference(
                whole.names[number],
                whole.sessions[row].date(),
                whole.symbols[column],
                float(full[column, number]),
                float(truncated[column, number]),
            )
            for column, number in np.argwhere(unequal)
        ]
    return differences


def assert_no_look_ahead(
    dataset: MarketDataset,
    dates: Iterable[dt.date],
    features: Sequence[Feature] = FEATURES,
    built: FeatureSet | None = None,
) -> None:
    """Raise `LookAheadError` that names the features, the first place and both values, if any feature looks ahead."""
    differences = check_truncation(dataset, dates, features, built)
    if differences:
        names = ", ".join(sorted({difference.feature for difference in differences}))
        raise LookAheadError(
            f"{len(differences)} values changed when later data was taken away, of {names}; the first: "
            f"{differences[0]}. Use only rows up to the date, and join reports by their information time"
        )
