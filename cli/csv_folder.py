"""A data set folder of CSV files: each becomes the Parquet file of the same name, in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.core.errors import InvalidDatasetError

if TYPE_CHECKING:
    import pyarrow as pa

    from lambdas.core.market_data.tables import TableSchema


REQUIRED = ("prices.parquet", "benchmarks.parquet")


@contextmanager
def as_parquet(data: str) -> Iterator[str]:
    """Give what to open: `data` as it is, or for a folder with CSV files one with the same tables as Parquet.

    A file that is there as Parquet counts, and a CSV file of the same name does not.

    Raises
    ------
    InvalidDatasetError
        If a file is no CSV, or a value is not of its column's type; any error inside names the CSV file, not the copy.
    """
    folder = Path(data)
    if not folder.is_dir():  # the name of a source
        yield data
        return
    from lambdas.core.market_data import tables

    schemas = (tables.PRICES, tables.BENCHMARKS, *tables.OPTIONAL_TABLES)
    texts = {
        schema.file: schema
        for schema in schemas
        if not (folder / schema.file).exists() and _csv(folder, schema.file).is_file()
    }
    if missing := [name for name in REQUIRED if not (folder / name).exists() and name not in texts]:
        raise InvalidDatasetError(
            f"{folder}: there is no {missing[0]} and no {missing[0].replace('.parquet', '.csv')}; a data set folder "
            "needs prices and benchmarks, docs/own_predictions.md shows both"
        )
    if not texts:
        yield data
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for schema in schemas:
            if schema.file in texts:
                _convert(_csv(folder, schema.file), copy / schema.file, schema)
            elif (folder / schema.file).exists():
                shutil.copy(folder / schema.file, copy / schema.file)
        try:
            yield str(copy)
        except InvalidDatasetError as error:
            said = str(error)
            for name in texts:
                said = said.replace(str(copy / name), str(_csv(folder, name)))
            raise InvalidDatasetError(said.replace(str(copy), str(folder))) from error


def _csv(folder: Path, name: str) -> Path:
    return folder / name.replace(".parquet", ".csv")


def _convert(source: Path, target: Path, schema: TableSchema) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    types = {name: _arrow_type(kind) for name, kind in schema.kinds.items()}
    try:
        table = csv.read_csv(source, convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True))
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0][:200]
        raise InvalidDatasetError(f"{source}: {reason}; dates are written 2019-12-31, numbers 1234.5") from error
    pq.write_table(table, target)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    match kind:
        case "date":
            return pa.date32()
        case "symbol" | "text" | "hour":
            return pa.string()
        case _:
            return pa.float64()
