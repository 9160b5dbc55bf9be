"""Every event, result and stored record, as docs/contracts.md lists them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

from pydantic import BaseModel

from cli.documents.tables import NAMED_PATTERNS, default_of, field_rows, sentence, table, type_of
from lambdas.contracts import backtesting, enrichment, ensemble, market_validation, storage, tuning_run
from lambdas.contracts.tuning_run import TuningRequest
from lambdas.core import values
from lambdas.core.models import hyperparameters, manifest

MODULES: tuple[tuple[str, ModuleType], ...] = (
    ("advanced-model-tuning-service", tuning_run),
    ("fundamental-data-enrichment", enrichment),
    ("ensemble-model-engine", ensemble),
    ("backtesting-engine", backtesting),
    ("market-validation-engine", market_validation),
    ("Manifest of a model artefact", manifest),
    ("Hyper-parameters of a model", hyperparameters),
    ("Values inside of these", values),
)
"""Heading and module, in the order of the page. A model belongs to the module that defines it."""

COLUMNS = ("field", "type", "bounds", "default", "meaning")


def models_of(module: ModuleType) -> Iterator[type[BaseModel]]:
    """Yield the models that a module defines and that have fields, in their order in the file."""
    for value in vars(module).values():
        is_model = inspect.isclass(value) and issubclass(value, BaseModel)
        if is_model and value.__module__ == module.__name__ and value.model_fields:
            yield value


def contract_tables() -> str:
    """Return a heading for each module and a table for each of its models."""
    parts = [
        "## Texts of a fixed shape",
        table(("name", "pattern"), [[name, f"`{pattern}`"] for pattern, name in NAMED_PATTERNS.items()]),
    ]
    for heading, module in MODULES:
        parts.append(f"## {heading}")
        for model in models_of(module):
            parts += [
                f"### {model.__name__}",
                sentence(inspect.getdoc(model)),
                table(COLUMNS, field_rows(model.model_json_schema())),
            ]
    parts += ["## Where things are stored", *_storage()]
    return "\n\n".join(parts)


def execution_input() -> str:
    """Return the table of the execution input, for the README."""
    schema = TuningRequest.model_json_schema()
    rows = []
    for (name, field), row in zip(schema["properties"].items(), field_rows(schema), strict=True):
        kind = type_of(
            {"anyOf": [one for one in field["anyOf"] if one != {"type": "null"}]} if "anyOf" in field else field
        )
        default = default_of(name, field, ())
        rows.append([row[0], ", ".join(filter(None, (kind, row[2]))), "" if default == "`null`" else default, row[4]])
    return table(("field", "type", "default", "meaning"), rows)


def _storage() -> Iterator[str]:
    """Yield the keys of table and buckets as their docstrings have them."""
    names = ("DatasetsPrefix", "PerformancePrefix", "ArtefactsPrefix", "AnalyticsKey")
    for name in names:
        kind = getattr(storage, name)
        text = inspect.getdoc(kind) or ""
        first, _, rest = text.partition("\n")
        yield f"**{first}**"
        ruled = [line for line in rest.splitlines() if line.strip()]
        if ruled:
            yield "```text\n" + "\n".join(ruled) + "\n```"
        else:
            yield " ".join(f"`{one}`" for one in kind)
