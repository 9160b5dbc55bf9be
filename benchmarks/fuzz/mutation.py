"""Inputs that are still JSON, or still Parquet, and wrong in what they say: a byte-wise fuzzer seldom gets that far."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.core.market_data.tables import BENCHMARKS, FUNDAMENTALS, MACRO, MEMBERSHIP, PRICES, SECURITIES, TableSchema

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, 1e308, -0.0, float("nan"), float("inf")),
    *("", "NaN", "null", "../../etc/passwd", "s3://somebody-else/key", "file:///etc/passwd", "http://169.254.169.254/"),
    *("'; DROP TABLE x; --", "\x00", "A" * 10_000, "🦊", "2016-13-45", "0000-00-00", "9999-12-31T23:59:60Z"),
    *([], {}, [[]], [None] * 1000, {"": ""}, {"a": {"b": {"c": []}}}),
)
SCHEMAS = (PRICES, BENCHMARKS, MACRO, FUNDAMENTALS, SECURITIES, MEMBERSHIP)


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def mutated(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one thing in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(sorted(value))
        match rng.randrange(6):
            case 0:
                return {key: entry for key, entry in value.items() if key != name}
            case 1:
                return {**value, rng.choice(("unknown", "__class__", name.upper(), "")): rng.choice(HOSTILE)}
            case _:
                return {**value, name: mutated(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], mutated(value[at], rng), *value[at + 1 :]]
    if rng.random() < 0.05:
        return nested(rng.choice((5, 50, 300, 900)))
    if isinstance(value, str) and value and rng.random() < 0.4:
        at = rng.randrange(len(value))
        return value[:at] + rng.choice("\x00/.: A9é-") + value[at + 1 :]
    return rng.choice(HOSTILE)


def mutated_json(data: bytes, rng: random.Random) -> bytes | None:
    """Return JSON with up to three things changed, or None if it is none."""
    try:
        value = json.loads(data)
        for _ in range(rng.randint(1, 3)):
            value = mutated(value, rng)
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None


def mutated_table(data: bytes, rng: random.Random) -> bytes | None:
    """Return a Parquet file with up to three things of its table changed, written anew, or None if it is none."""
    try:
        table = pq.read_table(io.BytesIO(data))
        for _ in range(rng.randint(1, 3)):
            table = _mutated_columns(table, rng)
        out = io.BytesIO()
        pq.write_table(
            table,
            out,
            compression=rng.choice(("snappy", "none", "zstd")),
            use_dictionary=rng.random() < 0.5,
            row_group_size=rng.choice((1, 7, None)),
            data_page_version=rng.choice(("1.0", "2.0")),
            store_schema=rng.random() < 0.5,
        )
        return out.getvalue()
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, NotImplementedError):
        return None


def _mutated_columns(table: pa.Table, rng: random.Random) -> pa.Table:
    if not table.num_columns:
        return table
    at = rng.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at)
    match rng.randrange(10):
        case 0:
            return table.remove_column(at)
        case 1:
            others = (*table.column_names, "extra", "", name.upper())
            return table.rename_columns([*table.column_names[:at], rng.choice(others), *table.column_names[at + 1 :]])
        case 2:
            return table.append_column(rng.choice((name, "extra")), column)
        case 3:
            return table.take(pa.array([rng.randrange(table.num_rows or 1) for _ in range(table.num_rows)], pa.int64()))
        case 4:
            return table.slice(rng.randrange(table.num_rows + 1), rng.randrange(table.num_rows + 1))
        case 5:
            return table.set_column(at, name, _column(rng.choice(KINDS), table.num_rows, rng))
        case 6:
            other = rng.choice(
                (pa.string(), pa.float32(), pa.int64(), pa.large_string(), pa.timestamp("ns"), pa.int8())
            )
            return table.set_column(at, name, column.cast(other, safe=False))
        case 7:
            noise = rng.choice((b"{}", b"[1]", b"nonsense", b'{"families": 1}', b"[" * 2000))
            keys = [*(table.schema.metadata or {}), b"pandas", b"ARROW:schema"]
            return table.replace_schema_metadata({**(table.schema.metadata or {}), rng.choice(keys): noise})
        case _:
            values = column.to_pylist()
            for _ in range(min(len(values), rng.choice((1, 1, 3)))):
                values[rng.randrange(len(values))] = rng.choice((None, *_near(column.type)))
            return table.set_column(at, name, pa.array(values, column.type))


def _near(kind: pa.DataType) -> tuple[Any, ...]:
    """Values of a type that a table of ours should not hold, or seldom holds."""
    if pa.types.is_floating(kind):
        return 0.0, -1.0, 1e308, 5e-324, float("nan"), float("inf"), -float("inf")
    if pa.types.is_integer(kind):
        return 0, -1, 127, 2**31 - 1, 2**63 - 1
    if pa.types.is_temporal(kind):
        return dt.datetime(1677, 10, 1), dt.datetime(2262, 1, 1), dt.datetime(2016, 1, 9), dt.datetime(2016, 1, 4, 1)
    return "", "../x", "A" * 5000, "brk.b", "AAPL\x00", "ZZZ", "pre"


def hostile_table(schema: TableSchema, rng: random.Random) -> bytes:
    """Return a Parquet file with the columns of a schema, right and wrong ones, in right and wrong types."""
    n_rows = rng.choice((0, 1, 2, 5, 20))
    columns = {}
    for name, kind in schema.kinds.items():
        if rng.random() < 0.9:
            columns[name] = _column(kind if rng.random() < 0.8 else rng.choice(KINDS), n_rows, rng)
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        columns[rng.choice(("extra", "", "date ", "__index_level_0__", "SYMBOL"))] = _column(
            rng.choice(KINDS), n_rows, rng
        )
    table = pa.table(columns)
    if rng.random() < 0.2:
        noise = rng.choice((b"{}", b"[1]", b"nonsense", b'{"index_columns": ["x"]}', b"[" * 2000))
        table = table.replace_schema_metadata({rng.choice((b"pandas", b"amts.notes", b"ARROW:schema")): noise})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


KINDS = (
    "date",
    "symbol",
    "text",
    "hour",
    "number",
    "price",
    "amount",
    "bytes",
    "list",
    "struct",
    "bool",
    "null",
    "time",
)


def _column(kind: str, n: int, rng: random.Random) -> pa.Array:
    def values(*options: Any) -> list[Any]:
        return [rng.choice(options) for _ in range(n)]

    match kind:
        case "date":
            days = np.array(
                values("2016-01-04", "2016-01-05", "2016-01-06", "2016-01-09", "1677-01-01", "2262-04-01"), "M8[D]"
            )
            unit = rng.choice(("s", "ms", "us"))
            return rng.choice(
                (
                    lambda: pa.array(days.astype(f"M8[{unit}]")),
                    lambda: pa.array(days),
                    lambda: pa.array(days.astype(f"M8[{unit}]"), pa.timestamp(unit, "Asia/Tokyo")),
                    lambda: pa.array([None] * n, pa.date64()),
                )
            )()
        case "symbol":
            found = values("AAPL", "SPY", "", "brk.b", "A" * 40, "../x", "AAPL\x00", None)
            return pa.array(found, rng.choice((pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()))))
        case "text" | "hour":
            return pa.array(values("pre", "post", "", None, "x" * 500), pa.string())
        case "bytes":
            return pa.array(values(b"", b"\xff\xfe", None), pa.binary())
        case "list":
            return pa.array(values([], [1.0], None), pa.list_(pa.float64()))
        case "struct":
            return pa.array(values({"a": 1}, None), pa.struct([("a", pa.int64())]))
        case "bool":
            return pa.array(values(True, False, None), pa.bool_())
        case "null":
            return pa.nulls(n)
        case "time":
            return pa.array(values(0, 10**9, None), pa.duration("ns"))
        case _:
            numbers = values(1.0, 100.5, 0.0, -1.0, float("nan"), float("inf"), 1e308, None)
            chosen = rng.choice((pa.float64(), pa.float32(), pa.float64()))
            return pa.array(numbers, chosen)
