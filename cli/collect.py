"""`amts collect`: market data of any source as a data set folder, for the research commands and for one's own tools."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from cli.console import print_hint
from cli.csv_folder import as_parquet
from cli.inputs import AsOfOption, JsonOption, SymbolsOption
from cli.layers import resolve
from cli.outputs import require_writable, working, write_json
from cli.quality import print_quality
from lambdas.core.errors import InvalidRequestError, UnknownSymbolError

app = typer.Typer()


@app.command()
def collect(
    data: Annotated[
        str, typer.Option("--data", help="yahoo, sample, simulated, or a folder of Parquet or CSV files to check.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Data set folder to write; one that is there is replaced.")],
    symbols: SymbolsOption = None,
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day, of yahoo only. Default: ten years back."),
    ] = None,
    as_of: AsOfOption = None,
    json_out: JsonOption = None,
) -> None:
    """Collect market data into a data set folder, and say what is in it and what is missing.

    The folder has Parquet files, in the layout of docs/definitions.md, section 10. yahoo asks Yahoo, EDGAR and FRED
    over the network; EDGAR wants an address it can write to, in AMTS_EDGAR_CONTACT.

    Example: amts collect --data sample --out my-data

    Example: amts collect --data my-csv-files --out my-data

    Example: amts collect --data yahoo --symbols AAPL,MSFT,KO --from 2012-01-01 --out my-data
    """
    from lambdas.core.market_data.dataset import dataset_hash, write_dataset
    from lambdas.core.market_data.quality import quality_report
    from lambdas.core.market_data.sources import LiveAccess, open_source

    if first is not None and data != "yahoo":
        raise InvalidRequestError(f"--from {first:%Y-%m-%d}: only yahoo is asked for a period; leave it out")
    require_writable(json_out)
    names = [name.strip().upper() for name in symbols.split(",") if name.strip()] if symbols else None
    app_settings = resolve().app
    if data == "yahoo" and not app_settings.edgar_contact:
        raise InvalidRequestError(
            "EDGAR asks for an address that it can write to: AMTS_EDGAR_CONTACT='Your Name you@your-company.example'"
        )
    access = LiveAccess(
        edgar_contact=app_settings.edgar_contact or "",
        edgar_requests_per_second=app_settings.edgar_requests_per_second,
    )
    day, begin = (moment.date() if moment else None for moment in (as_of, first))
    with as_parquet(data) as place, working(f"Collecting {data}"):
        found = open_source(place, live=access).load(names, as_of=day, first=begin)
    if not found.dataset.prices.symbols:
        reasons = "; ".join(f"{symbol}: {reason}" for symbol, reason in sorted(found.problems.items())[:5])
        raise UnknownSymbolError(f"--symbols: none could be collected ({reasons}); name some that {data} has")
    write_dataset(found.dataset, out)
    report = quality_report(found.dataset, names, found.problems, None, findings=found.findings)
    write_json(json_out, report.model_dump(mode="json"))
    print_quality(report)
    print_hint(f"{out}: {len(found.dataset.prices.symbols)} symbols, data hash {dataset_hash(found.dataset)}")
