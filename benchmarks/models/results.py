"""The measured numbers as one JSON document: what tables are written from, and what is kept in benchmarks/results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.models.ablation import ALL, SEVEN, TECHNICAL
from benchmarks.models.contenders import IMPORTANCE_REPEATS, IMPORTANCE_STRIDE
from benchmarks.models.course import Course, Store
from benchmarks.models.intervals import STATISTICS, Sampled, difference, estimate
from benchmarks.models.running import LEARNED, Outcome, Work
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.importance import summarise
from lambdas.core.models.tuning import TuningOutcome

ENSEMBLE = "tuned ensemble"
ABLATED = ("rank_ic", "matched_skill", "active_return")
COMPARED = ("rank_ic", "sharpe_ratio", "matched_skill", "active_return")
Document = dict[str, Any]


def document(course: Course, store: Store, complete: Sequence[Work], outcome: Outcome) -> Document:
    """Everything but the speed, as JSON values."""
    return {
        "setting": setting(course),
        "models": {
            f"{trained_on}/{universe}": {model: row(found) for model, found in runs.items()}
            for (trained_on, universe), runs in outcome.runs.items()
        },
        "costs": {f"{trained_on}/{model}": costs for (trained_on, model), costs in outcome.costs.items()},
        "beside_members": {
            f"{trained_on}/{universe}": beside(runs)
            for (trained_on, universe), runs in outcome.runs.items()
            if ENSEMBLE in runs and all(model in runs for model in LEARNED)
        },
        "ablation": {universe: ablation(runs) for universe, runs in outcome.ablation.items()},
        "importance": importance(course, outcome),
        "failed": failed(outcome),
        "decomposition": decomposition(outcome),
        "diagnosis": diagnosis(outcome),
        "combinations": combinations(outcome),
        "searches": searches(course, store, complete),
    }


def setting(course: Course) -> Document:
    """Say in numbers what was run."""
    market, plan, settings = course.market, course.plan, course.settings
    return {
        "n_symbols": len(market.features.symbols),
        "n_features": len(market.features.names),
        "families": dict(Counter(market.features.families.values())),
        "first_decision": plan.folds[0].first_decision.isoformat(),
        "holdout_first": plan.holdout.first_decision.isoformat(),
        "last_decision": plan.holdout.last_decision.isoformat(),
        "n_folds": len(plan.folds),
        "window_days": settings.walk_forward.window_days,
        "training_stride": settings.walk_forward.training_stride,
        "train_years": settings.walk_forward.train_years,
        "n_trials": settings.tuning.n_trials,
        "inner_folds": settings.tuning.inner_folds,
        "network_seeds": settings.tuning.network_seeds,
        "target": settings.tuning.target,
        "horizon": settings.portfolio.horizon,
        "cost_bps": settings.portfolio.cost_bps,
        "confidence": settings.evidence.confidence,
        "bootstrap_draws": settings.evidence.bootstrap_draws,
        "dataset_hash": course.identity,
    }


def row(found: Sequence[Sampled]) -> Document:
    """Every statistic of a model with bounds, and means over seeds of what has none."""
    metrics = [run.metrics for run in found]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return {
        "n_seeds": len(found),
        **{name: asdict(estimate(stat, found)) for name, stat in STATISTICS.items()},
        "base_rate": mean([m.absolute_base_rate for m in metrics]),
        "relative_base_rate": mean([m.relative_base_rate for m in metrics]),
        "max_drawdown": [m.max_drawdown for m in metrics],
        "market_outperformance": [m.market_outperformance.get("SPY") for m in metrics],
        "turnover": mean([m.turnover for m in metrics]),
        "exposure": mean([m.exposure for m in metrics]),
        "effective_n": mean([m.effective_n for m in metrics]),
        "n_recommendations": mean([float(m.n_recommendations) for m in metrics]),
    }


def beside(runs: Mapping[str, Sequence[Sampled]]) -> Document:
    """Compare the ensemble with each of its members, in pairs, and say what follows."""
    table = {
        model: {name: asdict(difference(STATISTICS[name], runs[ENSEMBLE], runs[model])) for name in COMPARED}
        for model in LEARNED
    }
    return {
        "difference": table,
        "verdict": {name: _verdict(name, runs) for name in ("rank_ic", "sharpe_ratio")},
    }


def _verdict(name: str, runs: Mapping[str, Sequence[Sampled]]) -> Document:
    """Compare with the member that turned out best: the hardest of the three, chosen with hindsight."""
    values = {model: estimate(STATISTICS[name], runs[model]).value for model in LEARNED[:-1]}
    best = max(values, key=lambda model: -np.inf if (value := values[model]) is None else value)
    found = difference(STATISTICS[name], runs[ENSEMBLE], runs[best])
    return {
        "best_member": best,
        "difference": asdict(found),
        "worse_beyond_interval": found.upper is not None and found.upper < 0,
        "better_beyond_interval": found.lower is not None and found.lower > 0,
    }


def ablation(runs: Mapping[str, Sequence[Sampled]]) -> Document:
    """Each set on its own, and less the seven indicators and less all technical ones, in pairs."""
    # A set of which fewer seeds are there would be compared with other fits: only the seeds that all have count.
    seeds = min(len(found) for found in runs.values())
    order = [SEVEN, TECHNICAL, *(name for name in runs if name not in (SEVEN, TECHNICAL, ALL)), ALL]
    kept = {name: list(runs[name])[:seeds] for name in order if name in runs}
    answer: Document = {"n_seeds": seeds, "sets": {}}
    for name, found in kept.items():
        answer["sets"][name] = {
            "alone": {key: asdict(estimate(STATISTICS[key], found)) for key in (*ABLATED, "sharpe_ratio")},
            **{
                f"less {base}": {key: asdict(difference(STATISTICS[key], found, kept[base])) for key in ABLATED}
                for base in (SEVEN, TECHNICAL)
                if base in kept and name not in (base, SEVEN)
            },
        }
    return answer


def importance(course: Course, outcome: Outcome) -> Document:
    """Join the drops of all folds in time and bound them."""
    folds = [note for note in outcome.notes.get("ensemble-members-0", []) if "importance" in note]
    if not folds:
        return {}
    mean_block = max(1, round(course.settings.portfolio.horizon / IMPORTANCE_STRIDE))
    answer: Document = {"n_folds": len(folds), "stride": IMPORTANCE_STRIDE, "repeats": IMPORTANCE_REPEATS}
    for kind in ("family", "feature"):
        drops = {
            name: np.concatenate(
                [np.array([np.nan if v is None else v for v in fold["importance"][kind][name]]) for fold in folds]
            )
            for name in folds[0]["importance"][kind]
        }
        answer[kind] = [asdict(found) for found in summarise(drops, mean_block, course.settings.evidence)]
    return answer


def failed(outcome: Outcome) -> list[str]:
    """Say which learner failed where, by itself or within an ensemble."""
    return [
        f"{learner} in fold {number} of {name}: {reason}"
        for name, notes in outcome.notes.items()
        for number, note in enumerate(notes)
        for learner, reason in {**note.get("failed", {}), **note.get("left_out", {})}.items()
    ]


def decomposition(outcome: Outcome) -> Document:
    """Go from the plain average to the ensemble a step at a time: weights, neutral scores, search."""
    answer: Document = {}
    for universe, between in outcome.steps.items():
        runs = outcome.runs["members", universe]
        steps = {"plain average": runs["plain average"], **between, ENSEMBLE: runs[ENSEMBLE]}
        seeds = min(len(found) for found in steps.values())
        steps = {name: list(found)[:seeds] for name, found in steps.items()}
        before = dict(zip(list(steps)[1:], steps, strict=False))
        answer[universe] = {
            name: {
                "alone": {key: asdict(estimate(STATISTICS[key], found)) for key in COMPARED},
                "step": {key: asdict(difference(STATISTICS[key], found, steps[before[name]])) for key in COMPARED}
                if name in before
                else None,
            }
            for name, found in steps.items()
        }
    return answer


def diagnosis(outcome: Outcome) -> Document:
    """Follow each learner from the inner folds to the windows: tuned, where an ensemble used it, and with defaults.

    A tuned learner is compared with its default on the folds and seeds in which the ensemble gave it a weight.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for name, notes in outcome.notes.items():
        alone = outcome.notes.get(name.replace("ensemble-", "learners-"))
        if not name.startswith("ensemble-members-") or alone is None:
            continue
        for note, default in zip(notes, alone, strict=True):
            for learner, tuned_ic in note["rank_ic"].items():
                key = "plain average" if learner == "all" else learner
                default_ic = default["rank_ic"].get(key)
                inner = note["inner_rank_ic"].get(learner)
                if tuned_ic is None or default_ic is None:
                    continue
                entry = found.setdefault(learner, {"tuned": [], "default": [], "inner": []})
                entry["tuned"].append(tuned_ic)
                entry["default"].append(default_ic)
                if inner is not None:
                    entry["inner"].append(inner)
    return {
        learner: {"n_folds": len(entry["tuned"]), **{k: float(np.mean(v)) if v else None for k, v in entry.items()}}
        for learner, entry in found.items()
    }


def combinations(outcome: Outcome) -> Document:
    """How the ensembles of each work were put together, by fold."""
    return {
        name: [{key: value for key, value in note.items() if key != "importance"} for note in notes]
        for name, notes in outcome.notes.items()
        if name.startswith("ensemble-")
    }


def searches(course: Course, store: Store, complete: Sequence[Work]) -> list[Document]:
    """Tell what each search looked at and found, without the series of returns."""
    answer = []
    for work in complete:
        if work.group != "ensemble":
            continue
        for point in course.plan.tuning_points:
            stored = store.json(f"{work.name}/search-{point.number}", dict)
            outcome = TuningOutcome.model_validate(stored["outcome"])
            by_learner: dict[str, Document] = {}
            for trial in outcome.trial_log:
                entry = by_learner.setdefault(trial.learner, {"trials": 0, "default": None, "best": None})
                entry["trials"] += 1
                if trial.number == 0:
                    entry["default"] = trial.sharpe_ratio
                if trial.sharpe_ratio is not None and (entry["best"] is None or trial.sharpe_ratio > entry["best"]):
                    entry["best"] = trial.sharpe_ratio
            for name in LEARNER_NAMES:
                if name in by_learner:
                    by_learner[name]["taken"] = outcome.hyperparameters.of(name) != Hyperparameters().of(name)
            answer.append(
                {
                    "work": work.name,
                    "point": point.number,
                    "train_last": point.train_last.isoformat(),
                    "inner_sharpe_ratio": outcome.inner_sharpe_ratio,
                    "trials": outcome.trials,
                    "learners": by_learner,
                    "hyperparameters": outcome.hyperparameters.model_dump(mode="json"),
                    "cost": stored["cost"],
                }
            )
    return answer
