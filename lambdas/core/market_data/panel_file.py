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
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.panel import FIELDS, FloatArray, IntArray, PricePanel, empty_panel
from lambdas.core.market_data.tables import TableSchema

_NOTES_KEY = b"amts.notes"
MAX_NOTES, MAX_NOTE = 100, 1000
"""Of what a file says of itself: anybody can write it."""

MAX_CELLS = 20_000_000
"""Sessions times symbols of a panel: a file of few rows can span a grid that no memory holds."""


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
    from lambdas.core.market_data.schemas import validate

    path = folder / schema.file
    frame = tables.frame_of(tables.open_table(folder, schema, symbols), schema)
    validate(path, schema, frame)
    names = tuple(str(name) for name in frame["symbol"].cat.categories)
    if (without := frame["close"].isna()).any():
        notes.append(f"{schema.file}: {int(without.sum())} rows without a close were dropped")
        frame = frame[~without]
    if frame.empty:
        if symbols is None and not allow_empty:
            raise InvalidDatasetError(f"{path}: has no prices; a data set needs at least one row")
        return empty_panel()
    codes = frame["symbol"].cat.codes.to_numpy().astype(np.int64)
    days = frame["date"].to_numpy().astype("datetime64[D]")
    sessions = sessions_in(pd.Timestamp(days.min()).date(), pd.Timestamp(days.max()).date())
    rows = sessions.to_numpy().astype("datetime64[D]").searchsorted(days)
    shape = len(sessions), len(names)
    if shape[0] * shape[1] > MAX_CELLS:
        raise InvalidDatasetError(
            f"{path}: {shape[1]} symbols on {shape[0]} sessions are more than {MAX_CELLS} prices; divide it"
        )
    cells = rows * shape[1] + codes
    if (unordered := _out_of_order(rows, codes)) is not None:
        place = tables.where(frame, schema.key, unordered)
        notes.append(f"{schema.file}: dates out of order, first at {place}; the rows were sorted")
    fields: dict[str, FloatArray] = {}
    for name in FIELDS:
        wide = np.full(shape, np.nan)
        if name in frame:
            wide.ravel()[cells] = frame[name].to_numpy()
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
    try:
        notes = json.loads(stored) if stored else []
    except (ValueError, RecursionError):
        notes = []
    return tuple(str(note)[:MAX_NOTE] for note in notes[:MAX_NOTES]) if isinstance(notes, list) else ()
