"""Inputs that are still JSON, or still Parquet, and wrong in what they say: a byte-wise fuzzer seldom gets that far."""

from __future__ import annotations

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
