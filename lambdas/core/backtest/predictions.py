"""Files of predictions: what they must hold, and how they are laid onto the sessions of a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from lambdas.core import parquet
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset, PricePanel

REQUIRED_COLUMNS = ("date", "symbol", "probability")
OPTIONAL_COLUMNS = ("recommended", "fold")


@dataclass(frozen=True)
class AlignedPredictions:
    """Predictions on the grid of a data set.

    Attributes
    ----------
    dataset : MarketDataset
        The one that was asked for; where the file recommends a benchmark, with its prices as one more symbol.
    probability : ndarray of shape (n_sessions, n_symbols)
        NaN where the file has no row.
    recommended : ndarray of bool, shape (n_sessions, n_symbols), or None
        The file's own column, False where it has no row; None if it has no such column.
    fold : ndarray of int, shape (n_sessions,), or None
        Fold of each session, -1 without rows.
    first, last : int
        First and last session with a row.
    outside_universe : ndarray of bool, shape (n_symbols,)
        Benchmarks that were added as symbols: they may be held, but nothing is compared with them.
    """

    dataset: MarketDataset
    probability: FloatArray
    recommended: BoolArray | None
    fold: IntArray | None
    first: int
    last: int
    outside_universe: BoolArray


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a Parquet or CSV file of predictions; `align_predictions` checks what is in it.

    Raises
    ------
    InvalidPredictionsError
        If the file is missing or cannot be read as a table.
    """
    if not path.is_file():
        raise InvalidPredictionsError(f"{path}: there is no such file")
    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path, keep_default_na=False, na_values={"probability": ["", "nan", "NaN"]})
    except (OSError, ValueError, MemoryError, OverflowError) as error:
        raise InvalidPredictionsError(f"{path}: cannot be read as CSV ({error})") from error
    table = parquet.read_table(path, InvalidPredictionsError)
    for field in table.schema:
        if field.name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) and pa.types.is_nested(field.type):
            raise InvalidPredictionsError(f"{path}: column {field.name} holds {field.type}; write one value a row")
    try:
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        # Texts were read as a dictionary; as objects, rows of one text still share it.
        texts = {name: object for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)}
        return frame.astype(texts)
    except parquet.UNREADABLE as error:
        raise InvalidPredictionsError(parquet.unreadable(path, error)) from error


def align_predictions(frame: pd.DataFrame, dataset: MarketDataset) -> AlignedPredictions:
    """Check a frame of predictions and lay it onto the sessions and symbols of a data set.

    Parameters
    ----------
    frame : DataFrame
        date, symbol, probability in [0, 1]; optional `recommended` (bool) and `fold` (int). One row a date and symbol,
        in any order. Every date is a session of the data set; sessions without rows recommend nothing.
    dataset : MarketDataset

    Raises
    ------
    InvalidPredictionsError
        For anything else, naming the first offending row.
    """
    missing = [column for column in REQUIRED_COLUMNS if column not in frame.columns]
    if missing:
        raise InvalidPredictionsError(
            f"predictions: column {', '.join(missing)} is missing; the columns are "
            f"{', '.join(map(str, frame.columns))}; rename them: {', '.join(REQUIRED_COLUMNS)} are needed"
        )
    if frame.empty:
        raise InvalidPredictionsError("predictions: there is no row")
    # A long file repeats few dates and symbols: parse and look up each of them once.
    day, days = _dates(frame["date"])
    name, names = pd.factorize(frame["symbol"].astype(str))
    if (name < 0).any():
        raise InvalidPredictionsError(f"predictions: row {int(np.argmax(name < 0))}: symbol is missing")
    probability = pd.to_numeric(frame["probability"], errors="coerce").to_numpy(dtype=np.float64)

    def refuse(bad: BoolArray, what: str) -> None:
        if bad.any():
            at = int(np.argmax(bad))
            raise InvalidPredictionsError(
                f"predictions: row {at}, {days[day[at]].date()} {names[name[at]]}: {what}"
                + (f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else "")
            )

    refuse(~np.isfinite(probability), "probability is missing or not a finite number; leave the row out")
    refuse(
        (probability < 0.0) | (probability > 1.0),
        "probability is outside [0, 1]; rescale it, or give the rank of the date divided by its count",
    )
    row = dataset.sessions.get_indexer(days)[day]
    refuse(
        row < 0,
        f"the date is not a session of the data set, which has {dataset.sessions[0].date()} to "
        f"{dataset.sessions[-1].date()}; leave days without trading out, or give prices for them",
    )
    recommended = _flags(frame["recommended"]) if "recommended" in frame.columns else None
    extra = sorted((set(names) - set(dataset.prices.symbols)) & set(dataset.benchmarks.symbols))
    if recommended is not None and extra:
        dataset = _with_benchmarks_as_symbols(dataset, extra)
    column = pd.Index(dataset.prices.symbols).get_indexer(names)[name]
    remedy = "; a benchmark can only be recommended by a column `recommended`" if extra else ""
    known = ", ".join(dataset.prices.symbols[:3])
    refuse(
        column < 0, f"the symbol has no prices in the data set{remedy}; write it as there ({known} …) or leave it out"
    )
    grid = np.full(dataset.prices.shape, np.nan)
    grid[row, column] = probability
    if np.isfinite(grid).sum() < len(frame):
        cell = pd.Series(row.astype(np.int64) * grid.shape[1] + column)
        refuse(cell.duplicated().to_numpy(), "a second row for this date and symbol")
    chosen = None
    if recommended is not None:
        chosen = np.zeros(dataset.prices.shape, dtype=np.bool_)
        chosen[row, column] = recommended
    return AlignedPredictions(
        dataset=dataset,
        probability=grid,
        recommended=chosen,
        fold=_folds(frame, row, len(dataset.sessions)),
        first=int(row.min()),
        last=int(row.max()),
        outside_universe=np.isin(dataset.prices.symbols, extra),
    )


def _dates(column: pd.Series) -> tuple[IntArray, pd.DatetimeIndex]:
    """Days of a column: a code for each row, and what the codes stand for."""
    code, values = pd.factorize(column)
    if (code < 0).any():
        raise InvalidPredictionsError(f"predictions: row {int(np.argmax(code < 0))}: date is missing")
    try:
        days = pd.DatetimeIndex(pd.to_datetime(values, format="ISO8601")).as_unit("ns")
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidPredictionsError(f"predictions: column date holds something that is no date ({error})") from error
    # A session is a day: what clock and zone it carries says nothing.
    return code, days.tz_localize(None).normalize()


def _flags(column: pd.Series) -> BoolArray:
    values = column.replace({"True": True, "False": False, "true": True, "false": False})
    if not values.isin([True, False]).all():  # 1 and 0 compare equal to them
        at = int(np.argmin(values.isin([True, False])))
        raise InvalidPredictionsError(
            f"predictions: row {at}: recommended must be true or false, not {column.iloc[at]!r}"
        )
    return values.astype(bool).to_numpy()


def _folds(frame: pd.DataFrame, row: IntArray, n_sessions: int) -> IntArray | None:
    """Fold of each session; a fold is a run of sessions, and a session belongs to one."""
    if "fold" not in frame.columns:
        return None
    number = pd.to_numeric(frame["fold"], errors="coerce").to_numpy(dtype=np.float64)
    if not (np.isfinite(number) & (number >= 0) & (number == np.floor(number))).all():
        raise InvalidPredictionsError("predictions: column fold must hold whole numbers from 0 on")
    fold = np.full(n_sessions, -1, dtype=np.int64)
    fold[row] = number.astype(np.int64)
    if (fold[row] != number).any():
        at = int(np.argmax(fold[row] != number))
        raise InvalidPredictionsError(
            f"predictions: row {at}: one date is in two folds, {fold[row][at]} and {number[at]:g}"
        )
    if (np.diff(fold[fold >= 0]) < 0).any():
        raise InvalidPredictionsError("predictions: column fold must grow with the date: folds are windows in time")
    return fold


def _with_benchmarks_as_symbols(dataset: MarketDataset, names: list[str]) -> MarketDataset:
    """Add benchmarks to the prices, so that a portfolio can hold them."""
    prices, benchmarks = dataset.prices, dataset.benchmarks
    columns = [benchmarks.symbols.index(name) for name in names]
    symbols = np.array([*prices.symbols, *names], dtype=object)
    order = np.argsort(symbols.astype(str), kind="stable")

    def joined(left: FloatArray, right: FloatArray) -> FloatArray:
        return np.concatenate([left, right[:, columns]], axis=1)[:, order]

    panel = PricePanel(
        sessions=prices.sessions,
        symbols=tuple(str(symbol) for symbol in symbols[order]),
        open=joined(prices.open, benchmarks.open),
        high=joined(prices.high, benchmarks.high),
        low=joined(prices.low, benchmarks.low),
        close=joined(prices.close, benchmarks.close),
        adj_close=joined(prices.adj_close, benchmarks.adj_close),
        volume=joined(prices.volume, benchmarks.volume),
    )
    return replace(dataset, prices=panel)
