"""What the research commands leave: files that are whole or not there, progress, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.console import errors, print_hint, print_table, show_results_on
from lambdas.core.errors import InvalidInputError
from lambdas.core.settings import ModelSettings, settings_hash

if TYPE_CHECKING:
    import pandas as pd

    from lambdas.core.values import Evaluation, Evidence

STANDARD_OUTPUT = Path("-")
"""What `--json -` names: the numbers go there, and tables, which are for people, to standard error."""


def require_writable(*paths: Path | None) -> None:
    """Refuse, before any long work, a path whose folder does not exist or that is a folder."""
    for path in paths:
        if path is None:
            continue
        if path == STANDARD_OUTPUT:
            show_results_on(standard_error=True)
            continue
        if not path.absolute().parent.is_dir():
            raise InvalidInputError(f"{path}: the folder {path.parent} does not exist; create it first")
        if path.is_dir():
            raise InvalidInputError(f"{path}: is a folder; name a file")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a place to write to that becomes `path` only when all of it is there."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path | None, values: object) -> None:
    """Write `values` as JSON, to standard output where the path is `-`, or nothing where no path was given."""
    if path is None:
        return
    text = json.dumps(values, indent=2, allow_nan=False, default=str) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write `frame` as Parquet, whole or not at all."""
    with written_whole(path) as partial:
        frame.to_parquet(partial, index=False)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress of long work with the time left; without a terminal, one line a part."""
    if not errors.is_terminal:
        yield lambda what, done, total: print_hint(f"{title} {done}/{total}: {what}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(title)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on a terminal that something takes a while whose parts cannot be counted."""
    with errors.status(what) if errors.is_terminal else nullcontext():
        yield


def summary(evaluation: Evaluation, settings: ModelSettings) -> dict[str, object]:
    """Flatten an evaluation to the names of docs/definitions.md: pooled metrics and evidence first, slices below."""
    whole = evaluation.model_dump(mode="json")
    return {
        **whole.pop("pooled"),
        **whole.pop("evidence"),
        "settings_hash": settings_hash(settings),
        **whole,
    }


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the pooled metrics, with what they are measured against and how sure they are."""
    pooled, evidence = evaluation.pooled, evaluation.evidence
    rows: list[tuple[str, object, object, str]] = [
        ("hit_rate", pooled.hit_rate, evidence.hit_rate_lower, _against("base_rate", pooled.base_rate)),
        ("matched_skill", pooled.matched_skill, evidence.matched_skill_lower, "0 without skill"),
        (
            "relative_hit_rate",
            pooled.relative_hit_rate,
            None,
            _against("relative_base_rate", pooled.relative_base_rate),
        ),
        ("sharpe_ratio", pooled.sharpe_ratio, evidence.sharpe_ratio_lower, ""),
        ("deflated_sharpe", evidence.deflated_sharpe, None, _trials(evidence)),
        ("max_drawdown", pooled.max_drawdown, None, ""),
        ("total_return", pooled.total_return, None, _against("SPY", pooled.benchmark_return.get("SPY"))),
        ("active_return", evidence.active_return, evidence.active_return_lower, "against SPY, a year"),
        ("rank_ic", pooled.rank_ic, None, ""),
        ("turnover", pooled.turnover, None, "a year"),
    ]
    print_table(["metric", "value", f"lower bound {evidence.confidence:.0%}", "beside it"], rows)
    print_hint(
        f"{pooled.n_recommendations} recommendations, {pooled.n_matured} matured, worth "
        f"{pooled.effective_n or 0:.0f} independent ones; {pooled.first_session} to {pooled.last_session}"
    )
    if len(evaluation.by_year) > 1:
        print_table(
            ["year", "hit_rate", "base_rate", "return", "SPY", "sharpe_ratio", "max_drawdown"],
            [
                [y.year, y.hit_rate, y.base_rate, y.total_return, y.benchmark_return, y.sharpe_ratio, y.max_drawdown]
                for y in evaluation.by_year
            ],
        )
    for note in evaluation.notes:
        print_hint(note)


def _trials(evidence: Evidence) -> str:
    if evidence.n_trials is None:
        return "unknown number of trials"
    worth = (
        "" if evidence.trial_correlation is None else f", worth {evidence.effective_trials or 0:.0f} independent ones"
    )
    return f"{evidence.n_trials} trials{worth}"


def _against(name: str, value: float | None) -> str:
    return f"{name} {value:.4f}" if value is not None else ""
