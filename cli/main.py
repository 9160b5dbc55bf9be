"""The console script `amts`: its commands, and how every one of them ends."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
import traceback
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from cli import collect, report, research, run, settings, simulate, status
from cli.console import ExitStatus, SetupError, console, print_error, show_results_on
from lambdas.core.errors import AmtsError, InvalidInputError

app = typer.Typer(
    name="amts",
    help="Advanced Model Tuning System: retune a stock model, and deploy it only on evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(run.app)
app.add_typer(status.app)
app.add_typer(report.app)
app.add_typer(collect.app)
app.add_typer(research.app)
app.add_typer(simulate.app)
app.add_typer(settings.app)


_debug = threading.Event()


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"amts {importlib.metadata.version('amts')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Before the command: show the trace of an error as well.")
    ] = False,
) -> None:
    """Retune a stock model, and deploy it only on evidence."""
    if debug:
        _debug.set()


def main() -> None:
    """Run a command. Wrong input ends in one line and status 2, what else went wrong in status 1."""
    sys.exit(call(app))


def call(command: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status, with errors as one line on standard error."""
    show_results_on(standard_error=False)
    _debug.clear()
    try:
        command(arguments)
    except SystemExit as end:  # how a command line ends, also after a usage error: status 2
        return end.code if isinstance(end.code, int) else ExitStatus.OK
    except Exception as error:
        if _debug.is_set():
            traceback.print_exception(error)
        return told(error)
    return ExitStatus.OK


def told(error: Exception) -> ExitStatus:
    """Print an error as one line and return the exit status it stands for."""
    match error:
        case InvalidInputError():
            print_error(str(error))
            return ExitStatus.WRONG_INPUT
        case ValidationError():
            print_error(first_problem(error))
            return ExitStatus.WRONG_INPUT
        case AmtsError() | SetupError() | BotoCoreError() | ClientError():
            print_error(str(error))
        case OSError():
            print_error(f"{error.filename or 'a file'}: {error.strerror or error}")
        case _:
            said = str(error).splitlines()[:1] or [""]
            print_error(
                f"a defect of amts, {type(error).__name__}: {said[0]}. Please report it with the output of --debug"
            )
    return ExitStatus.FAILED


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
