"""The values that each file of a data set folder may hold, as schemas of pandera.

Import it where it is used: pandera takes a third of a second. The first breach ends the reading; its message names
the file, the column, the row and what to do about it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.calendar import CALENDAR_NAME, session_days
from lambdas.core.market_data.panel import BoolArray
from lambdas.core.market_data.tables import SYMBOL_PATTERN, Kind, TableSchema, where

with warnings.catch_warnings():
    # The CDK's typeguard is an old one; it concerns pandera's generic types, which are not used here.
    warnings.filterwarnings("ignore", message="Using typeguard < 3", category=UserWarning)
    import pandera.pandas as pandera

HOURS = ("pre", "post")
_DAY_NS = 86_400_000_000_000

BREACHES: dict[str, tuple[str, str]] = {
    "filled": ("is empty", "fill it or drop the row"),
    "a_day": ("holds {value}, a time of day,", "store dates only"),
    "a_session": (f"is not a session of {CALENDAR_NAME}", "drop rows of weekends and holidays"),
    "a_symbol": (
        "holds {value!r}, which is not of the form A-Z, 0-9, '.', '-' (at most 12),",
        "rename it in every file",
    ),
    "an_hour": ("holds {value!r}", "write pre, post or leave it empty"),
    "finite": ("holds an infinite value ({value:g})", "leave the cell empty where there is no number"),
    "positive": ("holds a price that is not positive ({value:g})", "correct it or drop the row"),
    "not_negative": ("holds a negative value ({value:g})", "correct it or leave the cell empty"),
    "both_closes": ("is empty", "fill it or drop the row"),
    "unique": ("duplicate rows", "keep one row for each {key}"),
}
"""By the name of a check: what is wrong, and the remedy."""


def validate(path: Path, schema: TableSchema, frame: pd.DataFrame) -> None:
    """Check every value of a file.

    Parameters
    ----------
    path : Path
        Of the file, for the message.
    schema : TableSchema
    frame : DataFrame
        `tables.frame_of` the file.

    Raises
    ------
    InvalidDatasetError
        At the first breach: of a column, then between columns.
    """
    try:
        _pandera_schema(schema).validate(frame, inplace=True)
    except pandera.errors.SchemaError as error:
        raise InvalidDatasetError(_message(path, schema, frame, error)) from error


def _is_finite(values: pd.Series) -> BoolArray:
    return np.asarray(~np.isinf(values.to_numpy()))


def _is_day(values: pd.Series) -> BoolArray:
    return np.asarray(
        values.isna().to_numpy() | (values.to_numpy().astype("datetime64[ns]").astype(np.int64) % _DAY_NS == 0)
    )


def _is_session(values: pd.Series) -> BoolArray:
    days, sessions = values.to_numpy().astype("datetime64[D]"), session_days()
    return np.asarray(sessions[np.minimum(sessions.searchsorted(days), len(sessions) - 1)] == days)


def _is_symbol(values: pd.Series) -> BoolArray:
    sound = np.array([bool(SYMBOL_PATTERN.fullmatch(str(name))) for name in values.cat.categories] + [False])
    return np.asarray(sound[values.cat.codes.to_numpy()])


def _is_hour(values: pd.Series) -> BoolArray:
    return np.asarray(values.isna() | values.isin(HOURS))


def _has_both_closes(frame: pd.DataFrame) -> pd.Series:
    return frame["close"].isna() == frame["adj_close"].isna()


CHECKS: dict[Kind, tuple[tuple[str, Any], ...]] = {
    "date": (("a_day", _is_day),),
    "symbol": (("a_symbol", _is_symbol),),
    "text": (),
    "hour": (("an_hour", _is_hour),),
    "number": (("finite", _is_finite),),
    "price": (("finite", _is_finite), ("positive", lambda values: ~(values.to_numpy() <= 0.0))),
    "amount": (("finite", _is_finite), ("not_negative", lambda values: ~(values.to_numpy() < 0.0))),
}


def _pandera_schema(schema: TableSchema) -> Any:
    """Make the schema of one file."""
    columns = {}
    for name, kind in schema.kinds.items():
        checks = [*CHECKS[kind], *([("a_session", _is_session)] if schema.is_bars and kind == "date" else [])]
        required = name in schema.required
        columns[name] = pandera.Column(
            None,  # The types were settled when the file was read.
            [pandera.Check(_whole(check), name=label, ignore_na=False) for label, check in checks],
            nullable=not (required and kind in ("date", "symbol")),
            required=required,
        )
    between = [pandera.Check(lambda frame: ~frame.duplicated(_key(schema, frame)), name="unique")] if schema.key else []
    if schema.is_bars:
        between.append(pandera.Check(_has_both_closes, name="both_closes"))
    return pandera.DataFrameSchema(columns, checks=between)


def _whole(check: Any) -> Any:
    """Give pandera a series, which it can align with the rows."""
    return lambda values: pd.Series(check(values), index=values.index)


def _key(schema: TableSchema, frame: pd.DataFrame) -> list[str]:
    return [name for name in schema.key if name in frame]


def _message(path: Path, schema: TableSchema, frame: pd.DataFrame, error: Any) -> str:
    name = getattr(error.check, "name", None)
    breach = name if name in BREACHES else "filled"
    column = None if error.schema.name is None else str(error.schema.name)
    complaint, remedy = BREACHES[breach]
    rows = _rows(schema, frame, breach, column, error)
    key = schema.key or ("symbol", "date")
    place, more = where(frame, key, int(rows[0])), f", in {len(rows)} rows altogether" if len(rows) > 1 else ""
    if breach == "unique":
        remedy = remedy.format(key=", ".join(_key(schema, frame)))
        return f"{path}: {len(rows)} {complaint}, the first for {place}; {remedy}"
    if breach == "both_closes":
        column = "close" if pd.isna(frame["close"].iloc[rows[0]]) else "adj_close"
    value = frame[column].iloc[rows[0]] if column is not None else None
    return f"{path}: column {column} {complaint.format(value=value)} at {place}{more}; {remedy}"


def _rows(schema: TableSchema, frame: pd.DataFrame, breach: str, column: str | None, error: Any) -> Any:
    """Rows that break a check, ascending."""
    match breach:
        case "unique":
            bad = frame.duplicated(_key(schema, frame)).to_numpy()
        case "both_closes":
            bad = ~_has_both_closes(frame).to_numpy()
        case "filled":
            bad = frame[column].isna().to_numpy()
        case _:
            return np.sort(error.failure_cases["index"].to_numpy(dtype=np.int64))
    return np.flatnonzero(bad)
