"""One Parquet file of a data set folder: which columns it has, of which type, and how a breach of that is reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.panel import FloatArray, IntArray

Kind = Literal["date", "symbol", "text", "number", "price", "amount"]
"""`price` is a number above zero, `amount` one of zero or more; every number is finite or missing."""

SYMBOL_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,11}")
"""The symbols that the contracts of the steps carry (lambdas/contracts/base.py)."""

_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class TableSchema:
    """What one file of the folder must and may hold (definitions, section 10).

    `required` columns must be there and complete, `optional` ones may be absent or have gaps. `key` names the columns
    that no two rows may share. With `keep_extra`, further columns are kept as they are.
    """

    file: str
    required: dict[str, Kind]
    optional: dict[str, Kind] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    keep_extra: bool = False

    @property
    def kinds(self) -> dict[str, Kind]:
        """Every column this schema knows."""
        return {**self.required, **self.optional}


_PRICE_COLUMNS: dict[str, Kind] = {"date": "date", "symbol": "symbol", "close": "price", "adj_close": "price"}
_BAR_COLUMNS: dict[str, Kind] = {"open": "price", "high": "price", "low": "price", "volume": "amount"}
PRICES = TableSchema("prices.parquet", _PRICE_COLUMNS, _BAR_COLUMNS, key=("symbol", "date"))
BENCHMARKS = TableSchema("benchmarks.parquet", _PRICE_COLUMNS, _BAR_COLUMNS, key=("symbol", "date"))
MACRO = TableSchema(
    "macro.parquet",
    {"date": "date"},
    {"vix": "price", "ust3m": "number", "ust2y": "number", "ust10y": "number", "dxy": "price"},
    key=("date",),
    keep_extra=True,
)
FUNDAMENTALS = TableSchema(
    "fundamentals.parquet",
    {"symbol": "symbol", "period_end": "date"},
    {
        "filed": "date",
        "announced": "date",
        "release_time": "text",
        "eps": "number",
        "eps_est": "number",
        "revenue": "number",
        "net_income": "number",
        "total_assets": "number",
        "equity": "number",
        "shares": "number",
    },
    key=("symbol", "period_end", "filed", "announced"),
    keep_extra=True,
)
SECURITIES = TableSchema(
    "securities.parquet",
    {"symbol": "symbol"},
    {"name": "text", "sector": "text", "industry": "text"},
    key=("symbol",),
    keep_extra=True,
)
MEMBERSHIP = TableSchema(
    "membership.parquet",
    {"symbol": "symbol", "start": "date"},
    {"end": "date"},
    key=("symbol", "start"),
    keep_extra=True,
)
OPTIONAL_TABLES = (MACRO, FUNDAMENTALS, SECURITIES, MEMBERSHIP)
DATASET_FILES = tuple(schema.file for schema in (PRICES, BENCHMARKS, *OPTIONAL_TABLES))


def open_table(folder: Path, schema: TableSchema, symbols: Sequence[str] | None = None) -> pa.Table:
    """Rows of one file, of `symbols` only if they are given, with its columns and their types checked.

    Raises
    ------
    InvalidDatasetError
        If the file is missing or unreadable, or a column is missing or of another type.
    """
    path = folder / schema.file
    if not path.is_file():
        raise InvalidDatasetError(f"{path}: there is no such file; a data set folder needs {schema.file}")
    try:
        present = pq.read_schema(path)
        _check_columns(path, schema, present)
        columns = [name for name in present.names if schema.keep_extra or name in schema.kinds]
        filters = None if symbols is None else _is_one_of(symbols, present.field("symbol").type)
        return pq.read_table(path, columns=columns, filters=filters, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        raise InvalidDatasetError(f"{path}: not readable as Parquet ({reason}); write the file again") from error


def read_frame(folder: Path, schema: TableSchema, symbols: Sequence[str] | None = None) -> pd.DataFrame:
    """One long file as a frame: dates datetime64[ns], numbers float64, sorted by its key, every value checked."""
    path = folder / schema.file
    table = open_table(folder, schema, symbols)
    columns: dict[str, object] = {}
    for name in table.column_names:
        match schema.kinds.get(name):
            case "date":
                columns[name] = dates_of(path, table, name, required=name in schema.required).astype("datetime64[ns]")
            case "symbol":
                codes, names = symbols_of(path, table)
                columns[name] = np.array(names, dtype=object)[codes]
            case "text":
                columns[name] = table[name].to_pandas().astype(object).to_numpy()
            case None:
                columns[name] = _extra_column(table[name])
            case _:
                columns[name] = numbers_of(table, name)
    frame = pd.DataFrame(columns)
    for name, kind in schema.kinds.items():
        if kind in ("number", "price", "amount") and name in frame:
            check_numbers(path, name, kind, frame[name].to_numpy(), lambda row: where(frame, schema.key, row))
    key = [name for name in schema.key if name in frame]
    repeated = frame.duplicated(key)
    if repeated.any():
        row = int(np.flatnonzero(repeated.to_numpy())[0])
        raise InvalidDatasetError(
            f"{path}: {int(repeated.sum())} duplicate rows, the first for {where(frame, schema.key, row)}; "
            f"keep one row for each {', '.join(key)}"
        )
    return frame.sort_values(key, kind="stable", ignore_index=True)


def where(frame: pd.DataFrame, key: Iterable[str], row: int) -> str:
    """Name a row by its key: ``symbol AAPL, date 2019-12-31``."""
    parts = []
    for name in key:
        if name in frame and not pd.isna(value := frame[name].iloc[row]):
            parts.append(f"{name} {value.date() if isinstance(value, pd.Timestamp) else value}")
    return ", ".join(parts)


def dates_of(path: Path, table: pa.Table, name: str, *, required: bool) -> npt.NDArray[np.datetime64]:
    """Column of days as datetime64[D]; NaT where there is none and none is required.

    Raises
    ------
    InvalidDatasetError
        If a required date is missing, or a value carries a time of day: such rows would belong to no session.
    """
    column = table[name]
    if required and column.null_count:
        row = int(pc.index(pc.is_null(column), value=True).as_py())
        at = f" of symbol {table['symbol'][row].as_py()}" if "symbol" in table.column_names else ""
        raise InvalidDatasetError(f"{path}: column {name} is empty in a row{at} (row {row}); fill it or drop the row")
    if pa.types.is_null(column.type):
        return np.full(len(column), np.datetime64("NaT", "D"))
    moments: npt.NDArray[np.datetime64] = column.cast(pa.timestamp("ns")).to_numpy().astype("datetime64[ns]")
    days = moments.astype("datetime64[D]")
    timed = ~np.isnat(moments) & (days.astype("datetime64[ns]") != moments)
    if timed.any():
        row = int(np.flatnonzero(timed)[0])
        raise InvalidDatasetError(f"{path}: column {name} holds {moments[row]}, a time of day; store dates only")
    return days


def symbols_of(path: Path, table: pa.Table) -> tuple[IntArray, tuple[str, ...]]:
    """Codes of the column `symbol` into its distinct names, which are ascending."""
    column = table["symbol"]
    if column.null_count:
        row = int(pc.index(pc.is_null(column), value=True).as_py())
        raise InvalidDatasetError(f"{path}: column symbol is empty in row {row}; fill it or drop the row")
    if pa.types.is_null(column.type):
        return np.empty(0, dtype=np.int64), ()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    used = np.unique(codes)
    for name in names[used]:
        if not SYMBOL_PATTERN.fullmatch(name):
            raise InvalidDatasetError(
                f"{path}: symbol {name!r} is not of the form A-Z, 0-9, '.', '-' (at most 12); rename it in every file"
            )
    order = used[np.argsort(names[used].astype(str))]
    position = np.zeros(len(names), dtype=np.int64)
    position[order] = np.arange(len(order))
    return position[codes], tuple(str(name) for name in names[order])


def numbers_of(table: pa.Table, name: str) -> FloatArray:
    """Column of numbers as float64, NaN where there is none."""
    column = table[name]
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def check_numbers(path: Path, name: str, kind: Kind, values: FloatArray, at: Callable[[int], str]) -> None:
    """Refuse infinite values, prices that are not positive and amounts below zero; `at(row)` names a row."""
    bad = np.isinf(values)
    complaint, remedy = "an infinite value", "leave the cell empty where there is no number"
    if not bad.any() and kind == "price":
        bad = values <= 0
        complaint, remedy = "a price that is not positive", "correct it or drop the row"
    elif not bad.any() and kind == "amount":
        bad = values < 0
        complaint, remedy = "a negative value", "correct it or leave the cell empty"
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InvalidDatasetError(
            f"{path}: column {name} holds {complaint} ({values[row]:g}) at {at(row)}, "
            f"in {int(bad.sum())} rows altogether; {remedy}"
        )


def _is_one_of(symbols: Sequence[str], stored: pa.DataType) -> pc.Expression:
    """Filter of rows; in the type of the column if possible, which lets Parquet skip what holds none of them."""
    if pa.types.is_dictionary(stored) or pa.types.is_null(stored):
        return pc.field("symbol").cast(pa.string()).isin(pa.array(symbols, pa.string()))
    return pc.field("symbol").isin(pa.array(symbols, stored))


def _check_columns(path: Path, schema: TableSchema, present: pa.Schema) -> None:
    missing = [name for name in schema.required if name not in present.names]
    if missing:
        raise InvalidDatasetError(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(present.names)}. "
            f"Needed: {', '.join(schema.required)}"
        )
    for name, kind in schema.kinds.items():
        if name in present.names and not _fits(kind, present.field(name).type):
            expected = {"date": "a date without time zone", "symbol": "text", "text": "text"}.get(kind, "a number")
            raise InvalidDatasetError(
                f"{path}: column {name} is of type {present.field(name).type}, not {expected}; convert the column"
            )


def _fits(kind: Kind, arrow_type: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(arrow_type):
        return True
    if kind == "date":
        return bool(types.is_date(arrow_type) or (types.is_timestamp(arrow_type) and arrow_type.tz is None))
    if kind in ("symbol", "text"):
        value_type = arrow_type.value_type if types.is_dictionary(arrow_type) else arrow_type
        return bool(types.is_string(value_type) or types.is_large_string(value_type))
    return bool(types.is_integer(arrow_type) or types.is_floating(arrow_type) or types.is_decimal(arrow_type))


def _extra_column(column: pa.ChunkedArray) -> object:
    """Column no schema knows: numbers and dates in the types of the rest, anything else as objects."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        return column.cast(pa.timestamp("ns")).to_numpy()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    return column.to_pandas().astype(object).to_numpy()
