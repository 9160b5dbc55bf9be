"""What people see: tables, errors in one line, exit statuses. Everything reads well without a terminal, too."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH_WITHOUT_TERMINAL = 180
_NARROWEST_LAST_COLUMN = 24


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, highlight=False, width=width)


console = _console(stderr=False)
"""For results."""

errors = _console(stderr=True)
"""For progress, hints and errors, so that standard output holds the result only."""


def show_results_on(*, standard_error: bool) -> None:
    """Say where results for people go: where progress goes, when standard output is for a program."""
    console.stderr = standard_error


class ExitStatus(IntEnum):
    """How a command ends. Rejecting a model is a result, not a failure."""

    OK = 0
    FAILED = 1
    WRONG_INPUT = 2
    REJECTED = 3
    INTERRUPTED = 130


class SetupError(Exception):
    """The machine, the deployment or its credentials are not ready for what was asked; the message says what to do."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print rows under headings: numbers to the right, None as a dash, text as it is (no markup).

    Where the console is too narrow for the columns, each row is printed as a block of its own, one line a value.

    Examples
    --------
    >>> print_table(["metric", "value"], [["hit_rate", 0.6312345], ["base_rate", None]])
    metric      value
    hit_rate   0.6312
    base_rate       -
    """
    cells = [[cell(value) for value in row] for row in rows]
    if cells and not _fits(columns, cells):
        _print_blocks(columns, cells, title)
        return
    numeric = [all(_is_number(row[i]) for row in cells) and bool(cells) for i in range(len(columns))]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for position, (name, right) in enumerate(zip(columns, numeric, strict=True), start=1):
        # A narrow terminal wraps the last column; no name and no number is ever cut.
        last = position == len(columns)
        table.add_column(name, justify="right" if right else "left", no_wrap=not last, overflow="fold")
    for row in cells:
        table.add_row(*map(escape, row))
    console.print(table)


def _fits(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Say whether every column but the last can stand whole, with room left for a last one that wraps."""
    widths = [
        max(max(map(len, name.split("\n"))), *(len(row[position]) for row in cells))
        for position, name in enumerate(columns)
    ]
    return sum(widths[:-1]) + 2 * (len(columns) - 1) + min(widths[-1], _NARROWEST_LAST_COLUMN) <= console.width


def _print_blocks(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str | None) -> None:
    if title:
        console.print(f"[bold]{escape(title)}[/]")
    names = [name.replace("\n", " ") for name in columns]
    for number, row in enumerate(cells):
        block = Table(box=None, pad_edge=False, show_header=False)
        block.add_column(style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for name, text in zip(names, row, strict=True):
            if text not in ("", "-"):
                block.add_row(escape(name), escape(text))
        if number:
            console.print()
        console.print(block)


def cell(value: object) -> str:
    """Return a value as people read it.

    Examples
    --------
    >>> [cell(0.6312345), cell(None), cell(12), cell(True)]
    ['0.6312', '-', '12', 'yes']
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
        case _:
            return str(value)


def print_error(message: str) -> None:
    """Print what went wrong, on standard error."""
    errors.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def print_hint(message: str) -> None:
    """Print what a person may want to know or do next, on standard error."""
    errors.print(escape(message), style="dim", soft_wrap=True)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return text == "-"
    return True
