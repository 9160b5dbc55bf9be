"""Opening Parquet files that others wrote: within memory, whatever they claim.

A few kilobytes can stand for a billion rows (a dictionary of one value, run lengths), or for rows of one long text. So
the number of rows is read from the file's own metadata before any of them, and texts stay a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.core.errors import InvalidInputError

MAX_ROWS = 20_000_000
"""Of one file: 2,600 symbols over 30 years. A function of 2 GB holds its six columns of numbers."""

MAX_COLUMNS = 2_000

UNREADABLE = (pa.ArrowException, OSError, ValueError, MemoryError, RecursionError)
"""What pyarrow raises for files that are cut, altered, or of another kind."""


def read_table(
    path: Path,
    error: type[InvalidInputError],
    *,
    columns: Sequence[str] | None = None,
    filters: Any = None,
) -> pa.Table:
    """Read a Parquet file as a table; texts are dictionaries, and what pandas may have left in its metadata is ignored.

    Parameters
    ----------
    path : Path
    error : type
        Class of what is raised for a file that cannot be used.
    columns : sequence of str, optional
        Read these only.
    filters : pyarrow expression, optional
        Keep the rows for which it holds.

    Raises
    ------
    InvalidInputError
        Of the given class: if the file is no Parquet, is damaged, or has more rows or columns than fit.
    """
    try:
        schema = checked_schema(path, error)
        texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        table = pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            filters=filters,
            partitioning=None,
            read_dictionary=texts,
        )
        # A damaged file may point outside its dictionary; Arrow looks only when it is asked to.
        table.validate(full=True)
        return table
    except UNREADABLE as reason:
        raise error(unreadable(path, reason)) from reason


def checked_schema(path: Path, error: type[InvalidInputError]) -> pa.Schema:
    """Return the columns of a Parquet file, after a look at how much is in it.

    Raises
    ------
    InvalidInputError
        Of the given class, as `read_table`.
    """
    try:
        with pq.ParquetFile(path) as file:
            n_rows, n_columns = file.metadata.num_rows, len(file.schema_arrow.names)
            groups = sum(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
            schema = file.schema_arrow
    except UNREADABLE as reason:
        raise error(unreadable(path, reason)) from reason
    if max(n_rows, groups) > MAX_ROWS or n_columns > MAX_COLUMNS:
        raise error(
            f"{path}: has {max(n_rows, groups)} rows and {n_columns} columns, more than {MAX_ROWS} and {MAX_COLUMNS}; "
            "leave out what is not needed, or divide it"
        )
    return schema


def unreadable(path: Path, reason: BaseException) -> str:
    """Say that a file is no usable Parquet, in one line."""
    lines = str(reason).splitlines() or [type(reason).__name__]
    return f"{path}: not readable as Parquet ({lines[0][:160]}); write the file again"
