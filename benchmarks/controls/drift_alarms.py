"""How often the drift part of the live gate rings: on markets in which nothing changed, and in which something did.

A model is fitted on five years, as a deployment's is, has a holdout of 90 days, and then lives for a year without being
replaced. It is looked at every week, as the daily run looks every day: the newest 21 sessions against the training
window, input by input, and their scores against those of the holdout. The model is one small LightGBM: only the
distribution of its scores counts here.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm
import numpy as np
import pandas as pd

from benchmarks.controls.tables import markdown_table, replace_between_markers, share_with_interval
from cli.simulation.market import market_with_regime_change, most_traded
from lambdas.core.features import FeatureSet, build_features
from lambdas.core.labels import compute_outcomes, eligible
from lambdas.core.live.drift import Reference
from lambdas.core.market_data.dataset import read_dataset, select_symbols
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset, PricePanel
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.settings import ModelSettings

ROOT = Path(__file__).resolve().parents[2]
REAL = "S&P 500, 2016 to 2019, inputs only"
SETTINGS = ModelSettings()
N_SYMBOLS = 60
TRAINED, HOLDOUT, LIVE = dt.date(2013, 1, 2), dt.date(2018, 1, 2), dt.date(2018, 4, 2)
CHANGE, LAST = dt.date(2018, 6, 1), dt.date(2019, 4, 1)
QUIET: dict[str, Any] = {"n_jobs": 1, "verbose": -1}
LOOK_EVERY = 5
STRIDE = 5
"""Sessions between two looks, and between two training dates."""

KINDS = {
    "nothing changes": "",
    "the signal turns": "what drove prices up drives them down",
    "volatility doubles": "every daily log return is twice as large",
    "reports in thousands": "a vendor's fault: every figure of later reports is a thousandth of what it was",
}


def market(kind: str, seed: int) -> MarketDataset:
    """Return a simulated market of a kind; whatever changes, changes on one day of the live year."""
    source = SimulatedSource(
        seed=seed, n_symbols=N_SYMBOLS, signal_rank_ic=0.25, first=TRAINED - dt.timedelta(days=420), last=LAST
    )
    if kind == "the signal turns":
        return market_with_regime_change(source, CHANGE)
    dataset = source.market().dataset
    if kind == "volatility doubles":
        return with_volatility(dataset, 2.0)
    return with_reports_in_thousands(dataset) if kind == "reports in thousands" else dataset


def with_volatility(dataset: MarketDataset, times: float) -> MarketDataset:
    """Return the market with daily log returns that are larger by a factor from `CHANGE` on."""
    after = int(dataset.sessions.searchsorted(pd.Timestamp(CHANGE)))
    panels = {name: _louder(getattr(dataset, name), after, times) for name in ("prices", "benchmarks")}
    return replace(dataset, **panels)


def with_reports_in_thousands(dataset: MarketDataset) -> MarketDataset:
    """Return the market with the fault of a vendor: figures of reports after `CHANGE` are a thousandth."""
    reports = dataset.fundamentals
    if reports is None:
        return dataset
    reports, late = reports.copy(), reports["filed"] >= pd.Timestamp(CHANGE)
    figures = [name for name in reports.columns if pd.api.types.is_float_dtype(reports[name])]
    reports.loc[late, figures] /= 1000.0
    return replace(dataset, fundamentals=reports)


def _louder(panel: PricePanel, after: int, times: float) -> PricePanel:
    values = {name.name: getattr(panel, name.name) for name in fields(PricePanel)}
    for name in ("open", "high", "low", "close", "adj_close"):
        # Relative to the last close before, so that the path goes on where it was.
        base = panel.adj_close[after - 1] if name == "adj_close" else panel.close[after - 1]
        scaled = base * (values[name][after:] / base) ** times
        values[name] = np.vstack([values[name][:after], scaled])
    return PricePanel(**values)


@dataclass(frozen=True)
class Life:
    """One model's life: rows of its training window, of its holdout, and of the sessions it lives through."""

    trained: IntArray
    holdout: IntArray
    live: IntArray

    @classmethod
    def of(cls, sessions: pd.DatetimeIndex, trained: dt.date, holdout: dt.date, live: dt.date, last: dt.date) -> Life:
        """Cut the sessions; what was trained on had matured before the holdout."""
        cuts = [int(sessions.searchsorted(pd.Timestamp(day))) for day in (trained, holdout, live, last)]
        return cls(
            np.arange(cuts[0], cuts[1] - 1 - SETTINGS.portfolio.horizon),
            np.arange(cuts[1], cuts[2]),
            np.arange(cuts[2], cuts[3]),
        )


def looks(dataset: MarketDataset, seed: int) -> list[dict[str, Any]]:
    """Return what the drift part of the live gate compares, once a week of the live year."""
    features, allowed = build_features(dataset), eligible(dataset, SETTINGS.portfolio.min_history_sessions)
    life = Life.of(features.sessions, TRAINED, HOLDOUT, LIVE, LAST)
    probability = scores(dataset, features, allowed, life, seed)
    return looks_of(features, allowed, life, probability)


def looks_of(
    features: FeatureSet, allowed: BoolArray, life: Life, probability: FloatArray | None
) -> list[dict[str, Any]]:
    """Return the looks at one life; without probabilities, at its inputs only."""
    references = {
        name: deciles
        for name in of_symbols(features, allowed)
        if (deciles := Reference.of(_of(features.of(name), allowed, life.trained))) is not None
    }
    of_holdout = None if probability is None else Reference.of(_of(probability, allowed, life.holdout))
    found = []
    for newest in life.live[SETTINGS.live.drift_sessions :: LOOK_EVERY]:
        rows = np.arange(newest + 1 - SETTINGS.live.drift_sessions, newest + 1)
        indices = [one.psi(_of(features.of(name), allowed, rows)) for name, one in references.items()]
        known = np.array([index for index in indices if index is not None])
        score = None if probability is None or of_holdout is None else of_holdout.psi(_of(probability, allowed, rows))
        found.append(
            {
                "session": features.sessions[newest].date().isoformat(),
                "drifted_share": round(float(np.mean(known > SETTINGS.live.psi_limit)), 4),
                "score_psi": None if score is None else round(score, 4),
            }
        )
    return found


def real_looks(folder: Path) -> list[list[dict[str, Any]]]:
    """Return the looks at the inputs of four real years, each after five years of training: no outcome is read."""
    dataset = read_dataset(folder)
    dataset = select_symbols(dataset, most_traded(dataset, dt.date(2011, 1, 3), 100))
    features, allowed = build_features(dataset), eligible(dataset, SETTINGS.portfolio.min_history_sessions)
    days = [dt.date(year, 1, 2) for year in range(2011, 2021)]
    lives = [Life.of(features.sessions, days[n], days[n + 5], days[n + 5], days[n + 6]) for n in range(4)]
    return [looks_of(features, allowed, life, None) for life in lives]


def _of(values: FloatArray, allowed: BoolArray, rows: IntArray) -> FloatArray:
    return values[rows][allowed[rows]].astype(np.float64)


def of_symbols(features: FeatureSet, allowed: BoolArray) -> list[str]:
    """Return the inputs that differ between symbols; market-wide ones are not gated."""
    row = int(np.flatnonzero(allowed.any(axis=1))[-1])
    return [name for name in features.names if np.unique(_finite(features.of(name)[row][allowed[row]])).size > 1]


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def scores(dataset: MarketDataset, features: FeatureSet, allowed: BoolArray, life: Life, seed: int) -> FloatArray:
    """Return the probabilities of a small model from the holdout on; NaN before."""
    hits = compute_outcomes(dataset, SETTINGS.portfolio).relative_hit
    known = np.zeros(allowed.shape, dtype=bool)
    known[life.trained[::STRIDE]] = True
    known &= allowed & np.isfinite(hits)
    table = np.stack([features.of(name) for name in features.names], axis=-1)
    model = lightgbm.LGBMClassifier(
        n_estimators=80,
        num_leaves=15,
        learning_rate=0.05,
        min_child_samples=200,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    ).fit(table[known], hits[known])
    probability = np.full(allowed.shape, np.nan)
    later = allowed & (np.arange(len(allowed)) >= life.holdout[0])[:, np.newaxis]
    probability[later] = model.predict_proba(table[later])[:, 1]
    return probability


def alarms(record: Sequence[Mapping[str, Any]], *, since: dt.date | None = None) -> dict[str, Any]:
    """Return how many looks rang, why, and after how many days the first of them."""
    limits = SETTINGS.live
    inputs = [look["drifted_share"] > limits.drifted_features for look in record]
    by_score = [look["score_psi"] is not None and look["score_psi"] > limits.score_psi for look in record]
    rang = [
        dt.date.fromisoformat(look["session"])
        for look, a, b in zip(record, inputs, by_score, strict=True)
        if (a or b) and (since is None or look["session"] >= since.isoformat())
    ]
    return {
        "looks": len(record),
        "by_inputs": sum(inputs),
        "by_scores": sum(by_score),
        "first_after_days": (rang[0] - (since or rang[0])).days if rang else None,
    }


def table(results: Mapping[str, Any]) -> str:
    """Return the rates as a table: per year of weekly looks, and per look."""
    rows = []
    for kind, records in results["markets"].items():
        since = CHANGE if KINDS.get(kind) else None
        told = [alarms(record, since=since) for record in records]
        n, n_looks = len(told), sum(one["looks"] for one in told)
        delays = [one["first_after_days"] for one in told if one["first_after_days"] is not None]
        shares = [look["drifted_share"] for record in records for look in record]
        largest = [look["score_psi"] for record in records for look in record if look["score_psi"] is not None]
        scored = bool(largest)
        rows.append(
            [
                kind,
                share_with_interval(sum(one["by_inputs"] > 0 for one in told), n),
                share_with_interval(sum(one["by_scores"] > 0 for one in told), n) if scored else "-",
                f"{100 * sum(one['by_inputs'] for one in told) / n_looks:.1f} / "
                + (f"{100 * sum(one['by_scores'] for one in told) / n_looks:.1f}" if scored else "-"),
                f"{max(shares):.2f} / " + (f"{max(largest):.2f}" if scored else "-"),
                f"{np.median(delays):.0f}" if since is not None and delays else "-",
            ]
        )
    header = (
        "market",
        "years with an alarm by inputs: % (95 %)",
        "by scores: % (95 %)",
        "looks that rang, inputs / scores, %",
        "largest share of inputs / score PSI",
        "median days from the change to the first alarm",
    )
    return markdown_table(header, rows)


def measured(markets: Mapping[str, int], seed: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the looks at each market, round by round."""
    for number in range(max(markets.values())):
        for kind, wanted in markets.items():
            if number < wanted:
                yield kind, looks(market(kind, seed + number), seed + number)


def main() -> None:
    """Measure, or write the table again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controls.drift_alarms", description=__doc__)
    parser.add_argument("--unchanged", type=int, default=40, help="markets in which nothing changes")
    parser.add_argument("--changed", type=int, default=10, help="markets of each change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="real data; without, no row")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "drift.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "simulation.md")
    parser.add_argument("--render", action="store_true", help="only write the table again, from --results")
    options = parser.parse_args()
    if not options.render:
        began = time.process_time()
        results: dict[str, Any] = {"seed": options.seed, "markets": {}}
        wanted = {kind: options.changed if told else options.unchanged for kind, told in KINDS.items()}
        if options.data.is_dir():
            results["markets"][REAL] = real_looks(options.data)
        for kind, record in measured(wanted, options.seed):
            results["markets"].setdefault(kind, []).append(record)
            results["processor_seconds"] = round(time.process_time() - began)
            options.results.write_text(json.dumps(results, separators=(",", ":")) + "\n", encoding="utf-8")
    replace_between_markers(options.page, "drift", table(json.loads(options.results.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
