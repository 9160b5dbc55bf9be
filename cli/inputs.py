"""What the research commands are given: options, settings, and the market data they name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import print_hint
from cli.csv_folder import as_parquet
from cli.layers import resolve
from lambdas.core.errors import InvalidRequestError, UnknownSymbolError
from lambdas.core.settings import ModelSettings

if TYPE_CHECKING:
    from lambdas.core.market_data.panel import MarketDataset

SOURCES = ("sample", "simulated")


def _sources(incomplete: str) -> list[str]:
    return [name for name in SOURCES if name.startswith(incomplete)]


DataOption = Annotated[
    str, typer.Option("--data", help="A data set folder, or `sample`, or `simulated`.", autocompletion=_sources)
]
SymbolsOption = Annotated[str | None, typer.Option("--symbols", help="Only these, e.g. AAPL,MSFT. Default: all.")]
AsOfOption = Annotated[
    dt.datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Nothing later is used. Default: the last session."),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="TOML file with any settings of the model; `amts settings` lists them."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting, e.g. tuning.n_trials=20; may be repeated."),
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file as well.")]
OutOption = Annotated[Path, typer.Option("--out", help="Parquet file to write.")]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, help="Threads of the learners; more than there are free processors crawl.")
]


def read_settings(
    path: Path | None, assignments: Sequence[str] | None = None, **walk_forward: int | None
) -> ModelSettings:
    """Model settings of all layers: see `cli.layers`. Flags of `walk_forward` that are None were not given."""
    given = {name: value for name, value in walk_forward.items() if value is not None}
    return resolve(None, path, assignments or (), {"walk_forward": given} if given else None).model


def load_market(data: str, symbols: str | None, as_of: dt.datetime | None) -> MarketDataset:
    """Load the data set of a folder or of a bundled source, cut at `as_of`."""
    from lambdas.core.market_data.sources import open_source

    names = [name.strip().upper() for name in symbols.split(",") if name.strip()] if symbols else None
    if data == "yahoo":
        raise InvalidRequestError("--data yahoo: collect it once into a folder: amts collect --data yahoo --out FOLDER")
    with as_parquet(data) as place:
        collected = open_source(place).load(names, as_of=as_of.date() if as_of else None)
    if names is not None and collected.problems:
        problems = "; ".join(f"{symbol}: {reason}" for symbol, reason in sorted(collected.problems.items()))
        raise UnknownSymbolError(f"--symbols: {problems}; leave them out, or name those that the data has")
    for note in collected.notes:
        print_hint(note)
    return collected.dataset
