"""The console script `amts`: its commands, and how every one of them ends."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from cli import report, research, run, settings, simulate, status
from cli.console import ExitStatus, SetupError, console, print_error, show_results_on
from lambdas.adapters.errors import StoreAccessError
from lambdas.core.errors import AmtsError, InvalidInputError

app = typer.Typer(
    name="amts",
    help="Advanced Model Tuning System: retune a stock model, and deploy it only on evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(run.app)
app.add_typer(status.app)
app.add_typer(report.app)
app.add_typer(research.app)
app.add_typer(simulate.app)
app.add_typer(settings.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"amts {importlib.metadata.version('amts')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Retune a stock model, and deploy it only on evidence."""


def main() -> None:
    """Run a command. Wrong input ends in one line and status 2, what else went wrong in status 1."""
    sys.exit(call(app))


def call(command: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status, with expected errors as one line on standard error."""
    show_results_on(standard_error=False)
    try:
        command(arguments)
    except SystemExit as end:  # how a command line ends, also after a usage error: status 2
        return end.code if isinstance(end.code, int) else ExitStatus.OK
    except InvalidInputError as error:
        print_error(str(error))
        return ExitStatus.WRONG_INPUT
    except ValidationError as error:
        print_error(first_problem(error))
        return ExitStatus.WRONG_INPUT
    except (AmtsError, SetupError, StoreAccessError, BotoCoreError, ClientError) as error:
        print_error(str(error))
        return ExitStatus.FAILED
    return ExitStatus.OK


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a value as one line.

    Examples
    --------
    >>> from lambdas.contracts.tuning_run import TuningRequest
    >>> try:
    ...     TuningRequest(lookback_days=7)
    ... except ValidationError as error:
    ...     print(first_problem(error))
    lookback_days: Input should be greater than or equal to 30
    """
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


if __name__ == "__main__":
    main()
