"""`amts report` and `amts tear-sheet`: the evidence of a run, and the same page for anybody's predictions."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from cli import records, run
from cli.console import console, print_hint
from cli.deployment import Deployment, environment_name
from cli.inputs import (
    AsOfOption,
    DataOption,
    JsonOption,
    SetOption,
    SettingsOption,
    SymbolsOption,
    load_market,
    read_settings,
)
from cli.outputs import require_writable, summary, working, write_json, written_whole
from cli.status import attach
from lambdas.core.errors import InvalidInputError, InvalidRequestError

app = typer.Typer()
INDEX = "index.html"
OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


@app.command()
def report(
    run_id: Annotated[str | None, typer.Argument(help="As `amts run` and `amts status` print it.")] = None,
    index: Annotated[
        bool, typer.Option("--index", help="Instead of one run: fetch the last ones, and a page that lists them.")
    ] = False,
    last: Annotated[int, typer.Option("--last", min=1, max=200, help="How many runs --index fetches.")] = 20,
    open_: OpenOption = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the reports. Default: .local/reports.")] = None,
    json_file: run.JsonOption = None,
    env: run.EnvOption = None,
) -> None:
    """Fetch the evidence report of a run that has ended, and print its verdicts.

    Example: amts report comprehensive-20261122T145051Z-23c123 --open

    Example: amts report --index --open
    """
    if (run_id is None) != index:
        raise InvalidInputError("name a run, or ask for the list of runs with --index; `amts status` lists the last")
    if index and json_file:
        raise InvalidInputError("--json goes with one run; `amts status --json` writes the records of all")
    run.check_output(json_file)
    deployment = attach(environment_name(env))
    page = list_runs(deployment, last, out) if run_id is None else report_run(deployment, run_id, out, json_file)
    if open_ and page is not None:
        webbrowser.open(page.resolve().as_uri())


def report_run(deployment: Deployment, run_id: str, out: Path | None, json_file: Path | None) -> Path | None:
    """Print the verdicts of a run, fetch its report, and return the page."""
    record = deployment.analytics.run(run_id)
    if record is None:
        raise InvalidInputError(f"there is no run {run_id!r} in {deployment.environment}; `amts status` lists the last")
    gates = records.gates_of(deployment, run_id)
    records.print_gates(gates, expected=records.TUNING_GATES if record.get("kind") == "tune" else ())
    console.print(f"\n[bold]{record.get('outcome', 'running')}[/]  ", end="")
    console.print(record.get("message") or record.get("explanation"), markup=False)
    files = records.fetch_report(deployment, run_id, out)
    records.print_report_place(files)
    if json_file:
        write_json(json_file, records.run_as_json(deployment, run_id, record.get("outcome", "running"), files))
    return next((file for file in files if file.suffix == ".html"), None)


def list_runs(deployment: Deployment, last: int, out: Path | None) -> Path:
    """Fetch the reports of the last runs and write the page that lists them; return it."""
    from lambdas.report.index import RunEntry, render_index

    folder = out or records.report_folder(deployment.environment)
    entries = [RunEntry.of(record) for record in deployment.analytics.last_runs(last)]
    for entry in entries:
        if entry.has_report:
            records.fetch_report(deployment, entry.run_id, folder)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / INDEX
    with written_whole(page) as partial:
        partial.write_text(render_index(entries), encoding="utf-8")
    print_hint(f"{len(entries)} runs: {page}")
    return page


@app.command("tear-sheet")
def tear_sheet(
    data: DataOption,
    predictions: Annotated[
        Path,
        typer.Option("--predictions", help="Parquet or CSV: date, symbol, probability; optional recommended, fold."),
    ],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    symbols: SymbolsOption = None,
    as_of: AsOfOption = None,
    holdout_days: Annotated[
        int | None,
        typer.Option("--holdout-days", min=1, help="Calendar days at the end that count as the holdout. Default: 90."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Configurations tried to get here; deflates the Sharpe ratio.")
    ] = None,
    settings_file: SettingsOption = None,
    assignments: SetOption = None,
    json_file: JsonOption = None,
    open_: OpenOption = False,
) -> None:
    """Write the evidence report of any predictions file, with what the gates would say.

    Example: amts tear-sheet --data FOLDER --predictions mine.csv --trials 40 --out mine.html --open
    """
    from cli.tear_sheet import tear_sheet_of
    from lambdas.core.backtest.predictions import read_predictions
    from lambdas.report.page import render_report

    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidRequestError(f"--out {out}: a tear sheet is a page; let the name end in .html")
    require_writable(out, json_file)
    settings = read_settings(settings_file, assignments, benchmark_period_days=holdout_days)
    frame = read_predictions(predictions)
    with working("Simulating the portfolio, resampling it, comparing it with portfolios by lot"):
        made = tear_sheet_of(load_market(data, symbols, as_of), frame, settings, n_trials=trials, name=predictions.name)
        page = render_report(made)
    with written_whole(out) as partial:
        partial.write_text(page, encoding="utf-8")
    if made.evaluation is not None:
        gates = {gate.gate: gate.model_dump(mode="json") for gate in made.gates}
        write_json(json_file, {**summary(made.evaluation, settings), "gates": gates})
    records.print_gates(list(made.gates))
    print_hint(f"Tear sheet: {out}")
    if open_:
        webbrowser.open(out.resolve().as_uri())
