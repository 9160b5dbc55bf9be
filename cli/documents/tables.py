"""Tables in Markdown, of the JSON schemas that pydantic makes of its models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lambdas.contracts import base

Schema = Mapping[str, Any]

NAMED_PATTERNS: Mapping[str, str] = {
    schema["pattern"]: name
    for name, schema in (
        (name, {"pattern": getattr(base, name).__metadata__[0].pattern})
        for name in ("Symbol", "RunId", "ModelVersion", "S3Uri")
    )
}
"""Texts of a shape that has a name of its own in `lambdas.contracts.base`."""

_LIMITS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("maxProperties", "at most {}"),
)
_FORMATS = {"date": "date", "date-time": "moment"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a bar inside of a cell is escaped."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        cells = [cell.replace("|", r"\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def type_of(schema: Schema) -> str:
    """Return what a value is, in words.

    Examples
    --------
    >>> type_of({"anyOf": [{"type": "number"}, {"type": "null"}]})
    'number or null'
    >>> type_of({"type": "array", "items": {"enum": ["a", "b"], "type": "string"}})
    'list of `a`, `b`'
    """
    if "$ref" in schema:
        return f"[{(name := schema['$ref'].rpartition('/')[2])}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    match schema.get("type"):
        case "array":
            return f"list of {type_of(schema['items'])}" if "items" in schema else "list"
        case "object":
            values = schema.get("additionalProperties")
            return f"map to {type_of(values)}" if isinstance(values, Mapping) else "map"
        case "string":
            return NAMED_PATTERNS.get(schema.get("pattern", ""), _FORMATS.get(schema.get("format", ""), "text"))
        case None:
            return "any"
        case kind:
            return str(kind)


def bounds_of(schema: Schema) -> str:
    """Return the limits of a value, of its items too."""
    found = [text.format(_number(schema[name])) for name, text in _LIMITS if name in schema]
    pattern = schema.get("pattern")
    if pattern is not None and pattern not in NAMED_PATTERNS:
        found.append(f"`{pattern}`")
    for one in schema.get("anyOf", ()):
        found.append(bounds_of(one))
    for inside in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inside, Mapping) and (limits := bounds_of(inside)):
            found.append(f"each {limits}")
    return ", ".join(filter(None, found))


def default_of(name: str, schema: Schema, required: Iterable[str]) -> str:
    """Return the default of a field as JSON; nothing where there is none, because the field must be given."""
    if name in required or "default" not in schema:
        return "" if name in required else "empty"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def field_rows(schema: Schema) -> list[list[str]]:
    """Return name, type, bounds, default and meaning of each field of a model."""
    required = schema.get("required", ())
    return [
        [f"`{name}`", type_of(field), bounds_of(field), default_of(name, field, required), field.get("description", "")]
        for name, field in schema.get("properties", {}).items()
    ]


def sentence(text: str | None) -> str:
    """Return a docstring's first paragraph on one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"
