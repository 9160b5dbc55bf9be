"""Daily bars as a Parquet file: long rows there, a wide panel here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data import tables
from lambdas.core.market_data.calendar import CALENDAR_NAME, sessions_in
from lambdas.core.market_data.panel import FIELDS, FloatArray, IntArray, PricePanel, empty_panel
from lambdas.core.market_data.tables import TableSchema

_NOTES_KEY = b"amts.notes"


def read_panel(
    folder: Path,
    schema: TableSchema,
    notes: list[str],
    *,
    symbols: Sequence[str] | None = None,
    allow_empty: bool = False,
) -> PricePanel:
    """One file of daily bars as a panel on the sessions from its first to its last row.

    What was repaired on the way is added to `notes`.

    Raises
    ------
    InvalidDatasetError
        If a row is incomplete, repeated, dated on no session, or holds a value that cannot be a price.
    """
    path = folder / schema.file
    table = tables.open_table(folder, schema, symbols)
    codes, names = tables.symbols_of(path, table)
    days = tables.dates_of(path, table, "date", required=True)
    values = {name: tables.numbers_of(table, name) for name in FIELDS if name in table.column_names}

    def at(row: int) -> str:
        return f"symbol {names[codes[row]]}, date {days[row]}"

    for name, column in values.items():
        tables.check_numbers(path, name, schema.kinds[name], column, at)
    without = np.isnan(values["close"]), np.isnan(values["adj_close"])
    if (half := without[0] != without[1]).any():
        row = int(np.flatnonzero(half)[0])
        empty = "close" if without[0][row] else "adj_close"
        raise InvalidDatasetError(f"{path}: column {empty} is empty at {at(row)}; fill it or drop the row")
    if (gaps := without[0]).any():
        notes.append(f"{schema.file}: {int(gaps.sum())} rows without a close were dropped")
        codes, days = codes[~gaps], days[~gaps]
        values = {name: column[~gaps] for name, column in values.items()}
    if not len(codes):
        if symbols is None and not allow_empty:
            raise InvalidDatasetError(f"{path}: has no prices; a data set needs at least one row")
        return empty_panel()
    sessions = sessions_in(pd.Timestamp(days.min()).date(), pd.Timestamp(days.max()).date())
    session_days = sessions.to_numpy().astype("datetime64[D]")
    rows = session_days.searchsorted(days)
    strays = np.flatnonzero(session_days[np.minimum(rows, len(session_days) - 1)] != days) if len(sessions) else [0]
    if len(strays):
        raise InvalidDatasetError(
            f"{path}: {at(int(strays[0]))} is not a session of {CALENDAR_NAME} "
            f"({len(strays)} such rows); drop rows of weekends and holidays"
        )
    shape = len(sessions), len(names)
    cells = rows * shape[1] + codes
    counts = np.bincount(cells, minlength=shape[0] * shape[1])
    if (repeated := counts[cells] > 1).any():
        row = int(np.flatnonzero(repeated)[0])
        raise InvalidDatasetError(
            f"{path}: {int((counts[counts > 1] - 1).sum())} duplicate rows, the first for {at(row)}; "
            "keep one row for each symbol and date"
        )
    if (unordered := _out_of_order(rows, codes)) is not None:
        notes.append(f"{schema.file}: dates out of order, first at {at(unordered)}; the rows were sorted")
    fields: dict[str, FloatArray] = {}
    for name in FIELDS:
        wide = np.full(shape, np.nan)
        if name in values:
            wide.ravel()[cells] = values[name]
        fields[name] = wide
    return PricePanel(sessions, names, **fields)


def _out_of_order(rows: IntArray, codes: IntArray) -> int | None:
    """Find the first row that is older than one of its symbol above it; order between symbols is free."""
    if (np.diff(rows) >= 0).all():
        return None
    by_symbol = np.argsort(codes, kind="stable")
    back = (np.diff(rows[by_symbol]) < 0) & (np.diff(codes[by_symbol]) == 0)
    return int(by_symbol[1:][back].min()) if back.any() else None


def write_panel(panel: PricePanel, path: Path, notes: Sequence[str] = ()) -> None:
    """Write the rows of `panel` that have a price; columns without any value are left out."""
    rows, columns = np.nonzero(~np.isnan(panel.adj_close))
    symbols = pa.DictionaryArray.from_arrays(pa.array(columns, pa.int32()), pa.array(panel.symbols, pa.string()))
    data = {"date": pa.array(panel.sessions.to_numpy()[rows]), "symbol": symbols.cast(pa.string())}
    for name in FIELDS:
        values = getattr(panel, name)[rows, columns]
        if name in ("close", "adj_close") or not np.isnan(values).all():
            data[name] = pa.array(values, pa.float64(), from_pandas=True)
    table = pa.table(data)
    if notes:
        table = table.replace_schema_metadata({_NOTES_KEY: json.dumps(list(notes)).encode()})
    pq.write_table(table, path)


def stored_notes(path: Path) -> tuple[str, ...]:
    """Read the notes that `write_panel` stored with the prices."""
    stored = (pq.read_schema(path).metadata or {}).get(_NOTES_KEY)
    return tuple(json.loads(stored)) if stored else ()
