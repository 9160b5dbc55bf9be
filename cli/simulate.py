"""`amts simulate`: months of daily and weekly runs, by the deployed code, on a market that is replayed day by day."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import ExitStatus, console, print_error, print_hint, print_table
from cli.inputs import SettingsOption, read_settings
from cli.outputs import progress_bar, require_writable, write_json
from lambdas.contracts.settings import ModelSettings
from lambdas.core.errors import InvalidInputError

app = typer.Typer()

SMALL_BUDGET: dict[str, Any] = {
    "portfolio": {"horizon": 5, "min_history_sessions": 130},
    "walk_forward": {
        "window_days": 60,
        "lookback_days": 120,
        "benchmark_period_days": 45,
        "train_years": 0.5,
        "min_train_sessions": 60,
        "training_stride": 5,
    },
    "tuning": {"n_trials": 1, "inner_folds": 2, "cadence_windows": 0, "network_seeds": 1},
    "evidence": {"bootstrap_draws": 1000, "random_portfolios": 100},
    "gates": {"hit_rate": 0.55},
}
"""Five sessions held, half a year of training: a year in minutes, and a model that can learn anew within it.

A hit over five sessions is close to a coin toss, so the hit rate asked for is lower than that over a month; every other
gate, and all evidence, is asked for as in a deployment.
"""


@app.command()
def simulate(
    months: Annotated[int, typer.Option("--months", min=1, max=60, help="How long to live.")] = 12,
    data: Annotated[
        str, typer.Option("--data", help="simulated (its signal turns after a third of the time), or a FOLDER.")
    ] = "simulated",
    symbols: Annotated[int, typer.Option("--symbols", min=10, max=500, help="Of the simulated market.")] = 100,
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day. Default: as late as possible."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulated market.")] = 0,
    settings_file: SettingsOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every day and event to this file.")] = None,
) -> None:
    """Live through months of weekly and daily runs, and check that what was announced is what happened.

    Every run is made by the deployed functions on an AWS of its own, which is thrown away; the machines around them are
    played in process. Exit status 1 if the books do not balance.

    Example: amts simulate --months 12 --json year.json

    Example: amts simulate --months 6 --data FOLDER --from 2018-01-02
    """
    from cli.simulation.account import simulated_account

    require_writable(json_file)
    settings = read_settings(settings_file) if settings_file else ModelSettings.model_validate(SMALL_BUDGET)
    begin, end, dataset = market(data, months, symbols, first.date() if first else None, seed, settings)
    with simulated_account(settings):
        result = lived(dataset, begin, end, settings)
    report(result)
    write_json(json_file, result)
    if not all(entry["balances"] for entry in result["books"]):
        print_error("the books do not balance: what was announced is not what a backtest of it gives")
        raise typer.Exit(ExitStatus.FAILED)


def market(
    data: str, months: int, symbols: int, first: dt.date | None, seed: int, settings: ModelSettings
) -> tuple[dt.date, dt.date, Any]:
    """Return the first and the last day of a simulation, and the data set with all that it needs before and until."""
    from cli.simulation.market import market_with_regime_change
    from lambdas.core.market_data.dataset import read_dataset
    from lambdas.core.market_data.sources import SimulatedSource

    length = dt.timedelta(days=round(months * 365.25 / 12))
    if data == "simulated":
        begin = first or dt.date(2018, 1, 2)
        walk = settings.walk_forward
        needed = walk.lookback_days + walk.benchmark_period_days + int(365 * walk.train_years) + 420
        start = min(begin - dt.timedelta(days=needed), begin + length - dt.timedelta(days=800))
        source = SimulatedSource(
            seed=seed, n_symbols=symbols, signal_rank_ic=0.5, first=start, last=begin + length + dt.timedelta(days=5)
        )
        return begin, begin + length, market_with_regime_change(source, begin + length / 3)
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise InvalidInputError(f"--data {data}: neither simulated nor a data set folder here")
    dataset = read_dataset(folder)
    newest: dt.date = dataset.sessions[-1].date()
    begin = first or newest - length
    if begin + length > newest or begin <= dataset.sessions[0].date():
        raise InvalidInputError(
            f"--from {begin}, {months} months: the data set has {dataset.sessions[0].date()} to {newest}"
        )
    return begin, begin + length, dataset


def lived(dataset: Any, begin: dt.date, end: dt.date, settings: ModelSettings) -> dict[str, Any]:
    """Upload the data set, live through the days, and balance the books."""
    from cli.simulation.books import balance
    from cli.simulation.year import closed_before, live_through
    from lambdas.adapters.aws import Clients
    from lambdas.contracts.environment import FunctionEnvironment
    from lambdas.core.market_data.dataset import cut_dataset, write_dataset
    from lambdas.runtime.stores import Stores, forget_clients

    forget_clients()
    stores = Stores(FunctionEnvironment(), Clients())  # type: ignore[call-arg]
    data = f"s3://{stores.environment.datasets_bucket}/uploads/simulation"
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(dataset, Path(folder))
        stores.objects.upload_folder(Path(folder), data)
    with progress_bar("Living") as progress:
        year = live_through(begin, end, data, stores, progress)
    known = cut_dataset(dataset, closed_before(year.last))
    books = balance(known, stores, settings)
    return {
        "first": year.first.isoformat(),
        "last": year.last.isoformat(),
        "days": year.days,
        "events": year.events,
        "performance": [one for one in stores.analytics.performance() if one["track"] == "published"][:1],
        "months": by_month(year.days),
        "books": [{**vars(entry), "balances": entry.balances} for entry in books],
    }


def by_month(days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count, by calendar month, days with a champion, recommendations, and days on which the live gate failed."""
    months: dict[str, dict[str, Any]] = {}
    for day in days:
        row = months.setdefault(
            day["day"][:7],
            {"month": day["day"][:7], "days": 0, "with_champion": 0, "published": 0, "settled": 0, "gate_failed": 0},
        )
        row["days"] += 1
        row["with_champion"] += day.get("champion") is not None
        row["published"] += day.get("n_published") or 0
        row["settled"] += day.get("n_settled") or 0
        row["gate_failed"] += (day.get("gate") or {}).get("verdict") == "FAIL"
        row["live_hit_rate"] = day.get("live_hit_rate")
        row["live_base_rate"] = day.get("live_base_rate")
        row["live_max_drawdown"] = day.get("live_max_drawdown")
        row["champion"] = day.get("champion")
    return list(months.values())


def report(result: dict[str, Any]) -> None:
    """Print what happened, month by month and event by event, and the books."""
    months, events, books = result["months"], result["events"], result["books"]
    if months:
        print_table(list(months[0]), [[row.get(name) for name in months[0]] for row in months], title="Months")
    console.print()
    print_table(("day", "what", "why"), [(one["day"], one["what"], one["why"]) for one in events], title="Events")
    console.print()
    if books:
        rows = [(one["name"], one["announced"], one["recomputed"], one["balances"]) for one in books]
        print_table(("number", "announced", "backtest of what was published", "balances"), rows, title="Books")
    else:
        print_hint("Nothing was published: there are no books to balance.")
