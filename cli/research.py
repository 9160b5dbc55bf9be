"""Commands that need no AWS: features, walk-forward, backtest, train and predict on a data set folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import print_hint, print_table
from cli.inputs import (
    AsOfOption,
    DataOption,
    JsonOption,
    OutOption,
    SetOption,
    SettingsOption,
    SymbolsOption,
    ThreadsOption,
    load_market,
    read_settings,
)
from cli.outputs import print_evaluation, progress_bar, require_writable, summary, working, write_json, write_parquet
from cli.quality import print_quality
from lambdas.core.errors import InvalidRequestError
from lambdas.core.settings import ModelSettings, settings_hash

if TYPE_CHECKING:
    from lambdas.core.market_data.panel import MarketDataset
    from lambdas.core.models.market_view import MarketView


app = typer.Typer(no_args_is_help=True)


def view_of(dataset: MarketDataset, settings: ModelSettings) -> MarketView:
    """Join the data set with its features, outcomes and eligible symbols."""
    from lambdas.core.features import build_features
    from lambdas.core.models.market_view import market_view

    return market_view(dataset, build_features(dataset), settings.portfolio)


@app.command()
def features(
    data: DataOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Parquet file to write. Default: only look at the features.")
    ] = None,
    symbols: SymbolsOption = None,
    as_of: AsOfOption = None,
    check_truncation: Annotated[
        int, typer.Option("--check-truncation", min=0, help="Test this many random dates for look-ahead.")
    ] = 0,
    transform: Annotated[
        str, typer.Option("--transform", help="raw, rank or zscore; the last two among the symbols of a date.")
    ] = "raw",
    json_out: JsonOption = None,
) -> None:
    """Build the feature set: one row a date and symbol.

    Example: amts features --data sample --check-truncation 5

    Example: amts features --data FOLDER --transform rank --out features.parquet
    """
    import numpy as np

    from lambdas.core.features import assert_no_look_ahead, build_features, transformed, write_features
    from lambdas.core.features.cross_section import TRANSFORMS
    from lambdas.core.features.storage import rows_with_features
    from lambdas.core.market_data.quality import quality_report

    if transform not in TRANSFORMS:
        raise InvalidRequestError(f"--transform {transform}: not one of {', '.join(TRANSFORMS)}")
    require_writable(out, json_out)
    dataset = load_market(data, symbols, as_of)
    if check_truncation > len(dataset.sessions):
        raise InvalidRequestError(f"--check-truncation {check_truncation}: there are {len(dataset.sessions)} sessions")
    with working("Building the features"):
        built = build_features(dataset)
    if check_truncation:
        rows = np.random.default_rng(0).choice(len(dataset.sessions), check_truncation, replace=False)
        days = [dataset.sessions[row].date() for row in sorted(rows)]
        with progress_bar("truncation test") as progress:
            for number, day in enumerate(days):
                progress(f"features of {day} without what came later", number, len(days))
                assert_no_look_ahead(dataset, [day], built=built)
            progress("no feature looks ahead", len(days), len(days))
    chosen = transformed(built, transform)  # type: ignore[arg-type]  # looked at above
    if out is not None:
        write_features(chosen, out)
    report = quality_report(dataset, None, {}, None, features=built)
    write_json(json_out, report.model_dump(mode="json"))
    print_table(
        ["features", "rows", "symbols", "first session", "last session", "absent families", "truncation test"],
        [
            [
                len(chosen.names),
                int(rows_with_features(chosen).sum()),
                len(chosen.symbols),
                report.first_session,
                report.last_session,
                ", ".join(report.absent_families) or "none",
                f"passed on {check_truncation} dates" if check_truncation else "not run",
            ]
        ],
    )
    print_quality(report, said=dataset.notes)


@app.command("walk-forward")
def walk_forward_command(
    data: DataOption,
    out: OutOption,
    as_of: AsOfOption = None,
    lookback_days: Annotated[
        int | None, typer.Option("--lookback-days", help="Length of the walk-forward. Default: 1095.")
    ] = None,
    symbols: SymbolsOption = None,
    settings_file: SettingsOption = None,
    assignments: SetOption = None,
    threads: ThreadsOption = 1,
    json_out: JsonOption = None,
) -> None:
    """Predict every walk-forward window and the holdout out of sample; the holdout is the last fold.

    Example: amts walk-forward --data FOLDER --as-of 2019-12-31 --lookback-days 365 --out predictions.parquet
    """
    from lambdas.core.backtest.evaluation import evaluate_predictions
    from lambdas.core.backtest.trials import weigh_trials
    from lambdas.core.market_data.dataset import dataset_hash
    from lambdas.core.walk_forward import walk_forward

    require_writable(out, json_out)
    settings = read_settings(settings_file, assignments, lookback_days=lookback_days)
    dataset = load_market(data, symbols, as_of)
    day = as_of.date() if as_of else dataset.sessions[-1].date()
    with progress_bar("walk-forward") as progress:
        result = walk_forward(
            view_of(dataset, settings), day, settings, dataset_hash(dataset), n_threads=threads, progress=progress
        )
    write_parquet(out, result.predictions)
    evaluation = evaluate_predictions(
        dataset,
        result.predictions,
        settings,
        n_trials=result.trials,
        trials=weigh_trials([found.search_trials() for found in result.searches], dataset, settings.portfolio.horizon),
        holdout_first=result.holdout_first,
    )
    write_json(json_out, summary(evaluation, settings))
    print_evaluation(evaluation)
    print_hint(
        f"{len(result.predictions)} predictions of {len(result.plan.folds)} folds and the holdout in {out}; "
        f"{result.plan.skipped_windows} windows skipped for want of history, {result.trials} configurations scored"
    )


@app.command()
def backtest(
    data: DataOption,
    predictions: Annotated[
        Path,
        typer.Option("--predictions", help="Parquet or CSV: date, symbol, probability; optional recommended, fold."),
    ],
    symbols: SymbolsOption = None,
    as_of: AsOfOption = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Configurations tried to get here; deflates the Sharpe ratio.")
    ] = None,
    settings_file: SettingsOption = None,
    assignments: SetOption = None,
    json_out: JsonOption = None,
) -> None:
    """Portfolio, metrics and evidence of any predictions file.

    Example: amts backtest --data FOLDER --predictions predictions.parquet --json metrics.json
    """
    from lambdas.core.backtest.evaluation import evaluate_predictions
    from lambdas.core.backtest.predictions import read_predictions

    require_writable(json_out)
    settings = read_settings(settings_file, assignments)
    frame = read_predictions(predictions)
    with working("Simulating the portfolio and resampling it"):
        evaluation = evaluate_predictions(load_market(data, symbols, as_of), frame, settings, n_trials=trials)
    write_json(json_out, summary(evaluation, settings))
    print_evaluation(evaluation)


@app.command()
def train(
    data: DataOption,
    model: Annotated[Path, typer.Option("--model", help="New folder for the artefact.")],
    as_of: AsOfOption = None,
    symbols: SymbolsOption = None,
    settings_file: SettingsOption = None,
    assignments: SetOption = None,
    threads: ThreadsOption = 1,
    json_out: JsonOption = None,
) -> None:
    """Search hyper-parameters and fit the ensemble on everything whose outcome is known.

    Example: amts train --data FOLDER --as-of 2019-12-31 --model model/ --json model.json
    """
    from lambdas.core.market_data.dataset import dataset_hash
    from lambdas.core.models.artefact import save_model
    from lambdas.core.models.ensemble import fit_candidate
    from lambdas.core.models.manifest import Lineage
    from lambdas.core.models.seeds import derive_seed
    from lambdas.core.models.tuning import tune_hyperparameters
    from lambdas.core.splits import latest_training_fold
    from lambdas.core.values import TuningPoint

    if model.exists():
        raise InvalidRequestError(f"--model {model}: exists already; name a new folder")
    require_writable(model, json_out)
    settings = read_settings(settings_file, assignments)
    dataset = load_market(data, symbols, as_of)
    market = view_of(dataset, settings)
    fold = latest_training_fold(
        dataset.sessions, settings.walk_forward, settings.portfolio.horizon, settings.portfolio.min_history_sessions
    )
    identity = dataset_hash(dataset)
    seed = derive_seed(settings.tuning.seed, identity)
    with progress_bar("train") as progress:
        progress(f"searching hyper-parameters up to {fold.train_last}", 0, 2)
        point = TuningPoint(number=0, train_first=fold.train_first, train_last=fold.train_last)
        search = tune_hyperparameters(market, point, settings, seed, n_threads=threads)
        progress("fitting the ensemble", 1, 2)
        fitted = fit_candidate(market, fold, search.hyperparameters, settings, seed, n_threads=threads)
        progress("done", 2, 2)
    lineage = Lineage(
        as_of=dataset.sessions[-1].date(),
        dataset_hash=identity,
        settings_hash=settings_hash(settings),
        seed=settings.tuning.seed,
        metrics={"inner_sharpe_ratio": search.inner_sharpe_ratio},
    )
    manifest = save_model(fitted, model, lineage)
    write_json(json_out, {**manifest.model_dump(mode="json"), "n_trials": search.trials, "left_out": fitted.left_out})
    print_table(
        ["version", "trained on", "combination", "features", "configurations", "left out"],
        [
            [
                manifest.version,
                f"{manifest.train_first} to {manifest.train_last}",
                manifest.combination,
                len(manifest.feature_names),
                search.trials,
                ", ".join(fitted.left_out) or "none",
            ]
        ],
    )


@app.command()
def predict(
    data: DataOption,
    model: Annotated[Path, typer.Option("--model", help="Folder of the artefact.")],
    out: OutOption,
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First decision. Default: the last session only."),
    ] = None,
    as_of: AsOfOption = None,
    symbols: SymbolsOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Probabilities of the eligible symbols from an artefact: date, symbol, probability.

    Example: amts predict --data FOLDER --model model/ --out today.parquet
    """
    import pandas as pd

    from lambdas.core.features import build_features
    from lambdas.core.labels import eligible
    from lambdas.core.models.artefact import load_model

    require_writable(out)
    loaded = load_model(model, n_threads=threads)
    dataset = load_market(data, symbols, as_of)
    sessions = dataset.sessions
    wanted = sessions[sessions >= pd.Timestamp(first)] if first else sessions[-1:]
    if not len(wanted):
        raise InvalidRequestError(f"--from {first:%Y-%m-%d}: the data ends on {sessions[-1].date()}; choose an earlier")
    frame = loaded.predict(
        build_features(dataset), wanted, eligible(dataset, read_settings(None).portfolio.min_history_sessions)
    )
    write_parquet(out, frame)
    last = frame[frame["date"] == wanted[-1]].nlargest(10, "probability")
    print_table(["symbol", "probability"], last[["symbol", "probability"]].itertuples(index=False))
    print_hint(f"{len(frame)} predictions from {wanted[0].date()} to {wanted[-1].date()} in {out}")
    in_sample = wanted[wanted <= pd.Timestamp(loaded.train_last)]
    if len(in_sample):
        print_hint(
            f"{len(in_sample)} of these sessions lie in the model's training part: their probabilities flatter it"
        )
