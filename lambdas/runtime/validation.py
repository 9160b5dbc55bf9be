"""Pydantic's findings as one line that a person can act on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from lambdas.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
MAX_FINDINGS = 3
MAX_SHOWN = 60
MAX_INPUT = 256 * 1024
"""As much as Step Functions takes; an invocation of the function itself may bring more."""


def strictly(model: type[Model], untrusted: dict[str, Any], what: str) -> Model:
    """Read what a person or another system handed in: JSON types as they are, nothing coerced.

    Raises
    ------
    InvalidRequestError
        Naming the first fields that are wrong, and what they may be.
    """
    try:
        text = json.dumps(untrusted)
        if len(text) > MAX_INPUT:
            raise InvalidRequestError(f"{what} has {len(text)} characters, more than {MAX_INPUT}; make it shorter.")
        return model.model_validate_json(text, strict=True)
    except RecursionError:
        raise InvalidRequestError(f"{what} is nested too deeply; its fields are plain values and lists.") from None
    except ValidationError as error:
        raise InvalidRequestError(one_line(what, error, model)) from None


def one_line(what: str, error: ValidationError, model: type[BaseModel]) -> str:
    """Return the findings of pydantic as one line: field, what is wrong, what was given.

    Examples
    --------
    >>> class Order(BaseModel, extra="forbid"):
    ...     pieces: int
    >>> try:
    ...     Order.model_validate({"pieces": "many"})
    ... except ValidationError as error:
    ...     print(one_line("The order", error, Order))
    The order cannot be used: `pieces` should be a valid integer, unable to parse string as an integer, not 'many'.
    """
    by_field: dict[str, list[str]] = {}
    for finding in error.errors(include_url=False):
        by_field.setdefault(_field(finding, model), []).append(_finding(finding))
    lines = [f"`{field}` {' or '.join(dict.fromkeys(found))}" for field, found in by_field.items()]
    more = f"; and {len(lines) - MAX_FINDINGS} more" if len(lines) > MAX_FINDINGS else ""
    known = ""
    if any(finding["type"] == "extra_forbidden" for finding in error.errors()):
        known = f" Its fields are {', '.join(model.model_fields)}; thresholds are settings of the deployment."
    return f"{what} cannot be used: {'; '.join(lines[:MAX_FINDINGS])}{more}.{known}"


def _field(finding: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the path of a field without pydantic's names for the branches of a union."""
    parts = [str(part) for part in finding["loc"]]
    kept = parts[:1] + [part for part in parts[1:] if part.isidentifier() or part.isdigit()]
    return ".".join(kept) or model.__name__


def _finding(finding: ErrorDetails) -> str:
    match finding["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a field"
    message = finding["msg"].removeprefix("Input ")
    match finding["input"]:
        case dict():  # what is in it nobody asked for, and a message goes to logs
            given = "an object"
        case list() | tuple():
            given = "a list"
        case value:
            given = repr(value)
    if len(given) > MAX_SHOWN:
        given = given[:MAX_SHOWN] + "…"
    return f"{message[:1].lower()}{message[1:]}, not {given}"
