"""Every error that this system raises on purpose, as docs/errors.md lists them."""

from __future__ import annotations

import inspect

from cli.console import ExitStatus
from cli.documents.tables import sentence, table
from lambdas.adapters import errors as of_stores
from lambdas.contracts.errors import CHAMPION_CHANGED, RETRYABLE_ERRORS
from lambdas.core import errors as of_the_domain
from lambdas.core.errors import AmtsError, InvalidInputError


def error_classes() -> list[type[AmtsError]]:
    """Return every class that is raised: not the bases, which only gather others."""
    found = [
        value
        for module in (of_the_domain, of_stores)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, AmtsError) and value.__module__ == module.__name__
    ]
    return [one for one in found if one not in (AmtsError, InvalidInputError)]


def error_table() -> str:
    """Return class, when, what to do, whether it is retried, and the exit status of `amts`."""
    return table(
        ("error", "when", "what to do", "retried", "`amts` ends with"),
        [
            [
                f"`{error.__name__}`",
                sentence(error.__doc__),
                error.remedy,
                _retried(error.__name__),
                str(int(ExitStatus.WRONG_INPUT if issubclass(error, InvalidInputError) else ExitStatus.FAILED)),
            ]
            for error in error_classes()
        ],
    )


def _retried(name: str) -> str:
    if name in RETRYABLE_ERRORS:
        return "yes"
    return "no; caught, the run ends SUPERSEDED" if name == CHAMPION_CHANGED else "no"
