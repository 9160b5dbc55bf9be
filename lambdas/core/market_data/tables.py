"""One Parquet file of a data set folder: which columns it has, of which type, and how a breach of that is reported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lambdas.core import parquet
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.panel import FloatArray

Kind = Literal["date", "symbol", "text", "hour", "number", "price", "amount"]
"""`hour` is the text `pre` or `post`, `price` a number above zero, `amount` one of zero or more; every number is finite
or missing."""

SYMBOL_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,11}")
"""The symbols that the contracts of the steps carry (lambdas/contracts/base.py)."""


@dataclass(frozen=True)
class TableSchema:
    """What one file of the folder must and may hold (definitions, section 10).

    `required` columns must be there; their dates and symbols must be complete. `optional` ones may be absent or have
    gaps. `key` names the columns that no two rows may share. With `keep_extra`, further columns are kept as they are;
    with `is_bars`, dates are sessions, and a row has both closes or none.
    """

    file: str
    required: dict[str, Kind]
    optional: dict[str, Kind] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    keep_extra: bool = False
    is_bars: bool = False

    @property
    def kinds(self) -> dict[str, Kind]:
        """Every column this schema knows."""
        return {**self.required, **self.optional}


_PRICE_COLUMNS: dict[str, Kind] = {"date": "date", "symbol": "symbol", "close": "price", "adj_close": "price"}
_BAR_COLUMNS: dict[str, Kind] = {"open": "price", "high": "price", "low": "price", "volume": "amount"}
PRICES = TableSchema("prices.parquet", _PRICE_COLUMNS, _BAR_COLUMNS, key=("symbol", "date"), is_bars=True)
BENCHMARKS = TableSchema("benchmarks.parquet", _PRICE_COLUMNS, _BAR_COLUMNS, key=("symbol", "date"), is_bars=True)
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
        "release_time": "hour",
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
    present = parquet.checked_schema(path, InvalidDatasetError)
    _check_columns(path, schema, present)
    columns = [name for name in present.names if schema.keep_extra or name in schema.kinds]
    filters = None if symbols is None else _is_one_of(symbols, present.field("symbol").type)
    return parquet.read_table(path, InvalidDatasetError, columns=columns, filters=filters)


def read_frame(folder: Path, schema: TableSchema, symbols: Sequence[str] | None = None) -> pd.DataFrame:
    """One long file as a frame: dates datetime64[ns], numbers float64, sorted by its key, every value checked."""
    from lambdas.core.market_data.schemas import validate

    frame = frame_of(open_table(folder, schema, symbols), schema)
    validate(folder / schema.file, schema, frame)
    for name, kind in schema.kinds.items():
        if kind == "symbol" and name in frame:
            frame[name] = frame[name].astype(object)
    key = [name for name in schema.key if name in frame]
    return frame.sort_values(key, kind="stable", ignore_index=True)


def frame_of(table: pa.Table, schema: TableSchema) -> pd.DataFrame:
    """Columns of a file in one type for each kind, nothing checked: symbols as ascending categories."""
    columns: dict[str, object] = {}
    for name in table.column_names:
        try:
            columns[name] = _column(table[name], schema.kinds.get(name))
        except (pa.ArrowException, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0][:160]
            raise InvalidDatasetError(
                f"{schema.file}: column {name} holds what cannot be used ({reason}); correct it, or leave it out"
            ) from error
    return pd.DataFrame(columns, copy=False)


def _column(column: pa.ChunkedArray, kind: Kind | None) -> object:
    match kind:
        case "date":
            return _dates(column)
        case "symbol":
            return _symbols(column)
        case "text" | "hour":
            return column.to_pandas().astype(object).to_numpy()
        case None:
            return _extra_column(column)
        case _:
            return _numbers(column)


def where(frame: pd.DataFrame, key: Iterable[str], row: int) -> str:
    """Name a row by its key, or by its number: ``symbol AAPL, date 2019-12-31``."""
    parts = []
    for name in key:
        if name in frame and not pd.isna(value := frame[name].iloc[row]):
            parts.append(f"{name} {value.date() if isinstance(value, pd.Timestamp) else value}")
    return ", ".join(parts) or f"row {row}"


def _dates(column: pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    """Moments as datetime64[ns]; NaT where there is none."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.datetime64("NaT", "ns"))
    moments: npt.NDArray[np.datetime64] = column.cast(pa.timestamp("ns")).to_numpy().astype("datetime64[ns]")
    return moments


def _symbols(column: pa.ChunkedArray) -> pd.Categorical:
    """Names as categories: those that are used, ascending."""
    if pa.types.is_null(column.type):
        return pd.Categorical.from_codes(np.full(len(column), -1), categories=pd.Index([], dtype=object))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used = np.unique(codes[codes >= 0])
    order = used[np.argsort(names[used].astype(str))]
    position = np.full(len(names) + 1, -1)  # The last one stands for what has no name.
    position[order] = np.arange(len(order))
    return pd.Categorical.from_codes(position[codes], categories=pd.Index(names[order], dtype=object))


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    """Numbers as float64, NaN where there is none."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


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
    if repeated := sorted({name for name in present.names if present.names.count(name) > 1}):
        raise InvalidDatasetError(f"{path}: column {', '.join(repeated)[:100]} is there twice; keep one of each")
    for name, kind in schema.kinds.items():
        if name in present.names and not _fits(kind, present.field(name).type):
            expected = {"date": "a date without time zone", "symbol": "text", "text": "text", "hour": "text"}.get(
                kind, "a number"
            )
            raise InvalidDatasetError(
                f"{path}: column {name} is of type {present.field(name).type}, not {expected}; convert the column"
            )


def _fits(kind: Kind, arrow_type: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(arrow_type):
        return True
    if kind == "date":
        return bool(types.is_date(arrow_type) or (types.is_timestamp(arrow_type) and arrow_type.tz is None))
    if kind in ("symbol", "text", "hour"):
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
