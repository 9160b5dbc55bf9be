"""`amts simulate`: months of daily and weekly runs, by the deployed code, on a market that is replayed day by day."""

from __future__ import annotations

import datetime as dt
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.console import ExitStatus, console, print_error, print_hint, print_table
from cli.inputs import SettingsOption, read_settings
from cli.outputs import progress_bar, require_writable, write_json, written_whole
from lambdas.contracts.settings import ModelSettings
from lambdas.core.errors import InvalidInputError

if TYPE_CHECKING:
    from cli.simulation.market import RegimeChange
    from lambdas.core.market_data.panel import MarketDataset

app = typer.Typer()

SMALL_BUDGET: dict[str, Any] = {
    "portfolio": {"horizon": 5, "min_history_sessions": 130},
    "walk_forward": {
        "window_days": 45,
        "lookback_days": 135,
        "benchmark_period_days": 45,
        "train_years": 0.35,
        "min_train_sessions": 60,
        "training_stride": 5,
    },
    "tuning": {"n_trials": 1, "inner_folds": 2, "cadence_windows": 0, "network_seeds": 1},
    "evidence": {"bootstrap_draws": 1000, "random_portfolios": 100},
    "gates": {"hit_rate": 0.55},
}
"""Five sessions held, four months of training: a year in minutes, and a model that can learn anew within it.

A hit over five sessions is close to a coin toss, so the hit rate asked for is lower than that over a month; every other
gate, and all evidence, is asked for as in a deployment.
"""


@app.command()
def simulate(
    months: Annotated[int, typer.Option("--months", min=1, max=60, help="How long to live.")] = 12,
    data: Annotated[
        str, typer.Option("--data", help="simulated (with a planted signal, see --regime-change), or a FOLDER.")
    ] = "simulated",
    symbols: Annotated[
        int, typer.Option("--symbols", min=10, max=500, help="How many. Of a folder, the most traded on the first day.")
    ] = 100,
    regime_change: Annotated[
        Literal["turn", "vanish", "never"],
        typer.Option("--regime-change", help="What becomes of the planted signal after a quarter of the time."),
    ] = "turn",
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day. Default: as late as possible."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulated market.")] = 0,
    settings_file: SettingsOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every day and event to this file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file to write: the year as figures.")] = None,
) -> None:
    """Live through months of weekly and daily runs, and check that what was announced is what happened.

    Every run is made by the deployed functions on an AWS of its own, which is thrown away; the machines around them are
    played in process. Ctrl-C ends it after the day that is under way, with the books of what was lived. Exit status 1
    if the books do not balance.

    Example: amts simulate --months 12 --out year.html --json year.json
    """
    from cli.simulation.account import simulated_account
    from cli.simulation.market import changes_on

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InvalidInputError(f"--out {out}: it is a page; let the name end in .html")
    for file in (json_file, out):
        require_writable(file)
    settings = read_settings(settings_file) if settings_file else ModelSettings.model_validate(SMALL_BUDGET)
    begin, end, dataset = market(data, months, symbols, first.date() if first else None, seed, regime_change, settings)
    with simulated_account(settings):
        result = lived(dataset, begin, end, settings)
    changed = data == "simulated" and regime_change != "never"
    result["market"] = {
        "data": data,
        "n_symbols": len(dataset.prices.symbols),
        "seed": seed if data == "simulated" else None,
        "regime_change": regime_change if changed else None,
        "changes_on": changes_on(begin, end).isoformat() if changed else None,
        "settings": settings.model_dump(mode="json"),
    }
    write_json(json_file, result)
    write_page(out, result)
    report(result)
    if not all(entry["balances"] for entry in result["books"]):
        print_error("the books do not balance: what was announced is not what a backtest of it gives")
        raise typer.Exit(ExitStatus.FAILED)


def market(
    data: str,
    months: int,
    symbols: int,
    first: dt.date | None,
    seed: int,
    regime_change: RegimeChange,
    settings: ModelSettings,
) -> tuple[dt.date, dt.date, MarketDataset]:
    """Return the first and the last day of a simulation, and the data set with all that it needs before and until."""
    from cli.simulation.market import SIMULATED_FROM, folder_market, simulated_market

    length = dt.timedelta(days=round(months * 365.25 / 12))
    if data == "simulated":
        begin = first or SIMULATED_FROM
        return begin, begin + length, simulated_market(begin, begin + length, symbols, seed, regime_change, settings)
    begin, dataset = folder_market(Path(data).expanduser(), first, length, symbols, settings)
    return begin, begin + length, dataset


def lived(dataset: MarketDataset, begin: dt.date, end: dt.date, settings: ModelSettings) -> dict[str, Any]:
    """Upload the data set, live through the days, and balance the books."""
    from cli.history import history
    from cli.simulation.books import balance
    from cli.simulation.course import announced_course, by_month
    from cli.simulation.year import closed_before, live_through
    from lambdas.adapters.aws import Clients
    from lambdas.contracts.environment import FunctionEnvironment
    from lambdas.core.market_data.dataset import cut_dataset, write_dataset
    from lambdas.runtime.stores import Stores, forget_clients

    forget_clients()
    stores = Stores(FunctionEnvironment(), Clients())
    data = f"s3://{stores.environment.datasets_bucket}/uploads/simulation"
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(dataset, Path(folder))
        stores.objects.upload_folder(Path(folder), data)
    began = time.monotonic(), time.process_time()
    with progress_bar("Living") as progress, interrupted() as is_over:
        year = live_through(begin, end, data, stores, progress, is_over)
    took = {"seconds": time.monotonic() - began[0], "processor_seconds": time.process_time() - began[1]}
    course = announced_course(stores.analytics.performance(limit=10_000))
    books = balance(cut_dataset(dataset, closed_before(year.last)), stores, settings, course)
    return {
        "first": year.first.isoformat(),
        "last": year.last.isoformat(),
        **took,
        "days": year.days,
        "events": year.events,
        "history": history(stores),
        "course": course,
        "months": by_month(year.days, course),
        "books": [{**vars(entry), "balances": entry.balances} for entry in books],
    }


@contextmanager
def interrupted() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C ask for an end, and the second one be one."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()
        print_hint("It ends after the day that is under way; Ctrl-C once more ends it at once, without books.")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def write_page(out: Path | None, result: dict[str, Any]) -> None:
    """Write the year as a page."""
    if out is None:
        return
    from cli.simulation.page import render_year

    with written_whole(out) as partial:
        partial.write_text(render_year(result), encoding="utf-8")
    print_hint(f"The year as a page: {out}")


def report(result: dict[str, Any]) -> None:
    """Print what happened, month by month and event by event, and the books."""
    months, events, books = result["months"], result["events"], result["books"]
    print_table(list(months[0]), [[row.get(name) for name in months[0]] for row in months], title="Months")
    console.print()
    columns = ("day", "run", "outcome", "why")
    print_table(columns, [[one[name] for name in columns] for one in events], title="Events")
    console.print()
    if books:
        rows = [(one["name"], one["announced"], one["recomputed"], one["balances"]) for one in books]
        print_table(("number", "announced", "backtest of what was published", "balances"), rows, title="Books")
    else:
        print_hint("Nothing was published: there are no books to balance.")
    print_hint(f"{len(result['days'])} days and {len(events)} events in {result['seconds'] / 60:.1f} minutes")
