"""Every setting, as docs/settings.md lists them: in the words and with the limits of the models that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdk_app.settings import AppSettings
from cli.documents.tables import bounds_of, sentence, table, type_of

COLUMNS = ("setting", "type", "bounds", "default", "meaning")
MODEL = "model"


def model_settings() -> str:
    """Return a heading and a table for each group of settings of the model."""
    whole = AppSettings.model_json_schema()
    return _groups(_group(whole, whole["properties"][MODEL]), whole, f"{MODEL}.")


def deployment_settings() -> str:
    """Return tables of what only a deployment reads: settings that stand alone first, then each group."""
    whole = AppSettings.model_json_schema()
    fields = {name: field for name, field in whole["properties"].items() if name not in (MODEL, "environment")}
    alone = {name: field for name, field in fields.items() if "properties" not in _group(whole, field)}
    groups = {"properties": {name: field for name, field in fields.items() if name not in alone}}
    return "\n\n".join([table(COLUMNS, _rows(alone, whole, "")), _groups(groups, whole, "")])


def _groups(schema: Mapping[str, Any], whole: Mapping[str, Any], above: str) -> str:
    parts = []
    for name, field in schema["properties"].items():
        group = _group(whole, field)
        parts.append(f"### {above}{name}")
        if said := sentence(group.get("description")):
            parts.append(said)
        parts.append(table(COLUMNS, _rows(group["properties"], whole, f"{above}{name}.", field.get("default"))))
    return "\n\n".join(parts)


def _rows(
    fields: Mapping[str, Any], whole: Mapping[str, Any], above: str, given: Mapping[str, Any] | None = None
) -> Iterator[list[str]]:
    """Yield a row a setting. A default of the group, as an outer group gives it, comes before the field's own."""
    for name, field in fields.items():
        default = (given or {}).get(name, field.get("default"))
        group = _group(whole, field)
        if "properties" in group:
            yield from _rows(group["properties"], whole, f"{above}{name}.", default)
        else:
            meaning = field.get("description", "")
            yield [f"`{above}{name}`", type_of(field), bounds_of(field), _shown(default), meaning]


def _group(whole: Mapping[str, Any], field: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = whole["$defs"].get(reference, {})
    return found


def _shown(default: Any) -> str:
    match default:
        case None | "" | [] | {}:
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case list() if len(default) > 10:
            return f"{len(default)} symbols, `{default[0]}` to `{default[-1]}`"
        case list():
            return ", ".join(f"`{one}`" for one in default)
        case float() if abs(default) >= 1e6:
            return f"`{default:,.0f}`"
        case _:
            return f"`{default}`"
