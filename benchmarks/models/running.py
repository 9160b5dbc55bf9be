"""Every work of the course in order of worth, so that a run that is cut short has whole tables of fewer seeds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from benchmarks.models.ablation import ALL, ablation_sets
from benchmarks.models.contenders import ensemble, learners, logistic, rules, search
from benchmarks.models.course import Course, Measured, Store, TrainedOn
from benchmarks.models.intervals import Sampled
from benchmarks.models.scoring import UNIVERSES, Scored, Universe, score, score_equal_weight
from lambdas.core.models.exposures import exposures_of, neutralise
from lambdas.core.models.hyperparameters import LEARNER_NAMES
from lambdas.core.models.learners import PROBABILITY_FLOOR
from lambdas.core.values import FoldPlan

TIME_MARGIN = 1.3
"""A fold is only begun if the remaining time is this many times the longest one of its work so far."""
CHOSEN_WEIGHTS = "default learners, chosen weights"
CHOSEN_NEUTRAL = "the same, neutral where chosen"
LEARNED = (*LEARNER_NAMES, "plain average")

Runs = Mapping[str, Sequence[Sampled]]
"""By model: one entry a seed. A rule, which has no seed, has one entry."""


@dataclass(frozen=True)
class Work:
    """One model, or several that share fits, over all folds.

    Attributes
    ----------
    name : str
        Where its folds are stored.
    group : str
        What tables look it up by: rules, logistic, learners, ensemble, or a set of the ablation.
    seed : int or None
    trained_on : str
    measure : callable
        Of one fold.
    """

    name: str
    group: str
    seed: int | None
    trained_on: TrainedOn
    measure: Callable[[FoldPlan], Measured]


def works(
    course: Course, store: Store, seeds: int, trained_on: tuple[TrainedOn, ...], ablation: bool
) -> Iterator[Work]:
    """Yield all works: what the first seed can tell before what others add, members before all names."""
    yield Work("rules", "rules", None, "members", lambda fold: rules(course, fold))
    for universe in trained_on:
        own = course.trained_on(universe)
        ablated = ablation and universe == "members"
        yield Work(f"logistic-{universe}", "logistic", None, universe, _logistic(own))
        for seed in range(seeds):
            yield Work(f"learners-{universe}-{seed}", "learners", seed, universe, _learners(own, seed, None))
            name = f"ensemble-{universe}-{seed}"
            yield Work(name, "ensemble", seed, universe, _ensemble(own, store, seed, name, ablated and seed == 0))
            if ablated and seed == 0:
                yield from _ablation(own, seed)
        if ablated:
            for seed in range(1, seeds):
                yield from _ablation(own, seed)


def _ablation(course: Course, seed: int) -> Iterator[Work]:
    for label, columns in ablation_sets(course.market.features).items():
        if label != ALL:  # its fits are those of the learners alone
            slug = label.replace(" + ", "-").replace(" ", "-")
            yield Work(f"ablation-{slug}-{seed}", label, seed, "members", _learners(course, seed, columns))


def _logistic(course: Course) -> Callable[[FoldPlan], Measured]:
    return lambda fold: logistic(course, fold)


def _learners(course: Course, seed: int, columns: tuple[str, ...] | None) -> Callable[[FoldPlan], Measured]:
    return lambda fold: learners(course, fold, seed, columns)


def _ensemble(course: Course, store: Store, seed: int, name: str, importance: bool) -> Callable[[FoldPlan], Measured]:
    def measure(fold: FoldPlan) -> Measured:
        outcome, _ = search(course, store, course.plan.tuning_points[fold.tuning_point], seed, name)
        return ensemble(course, fold, seed, outcome, with_importance=importance)

    return measure


def run(course: Course, store: Store, todo: list[Work], minutes: float | None) -> tuple[Work, ...]:
    """Measure what is not stored yet; return the works that are complete."""
    begun = time.monotonic()
    complete, out_of_time = [], False
    for work in todo:
        longest = 0.0
        for fold in course.folds:
            if store.has(work.name, fold):
                continue
            left = float("inf") if minutes is None else 60 * minutes - (time.monotonic() - begun)
            if out_of_time or left < TIME_MARGIN * longest or left <= 0:
                out_of_time = True
                break
            started = time.monotonic()
            store.fold(work.name, fold, lambda work=work, fold=fold: work.measure(fold))
            longest = max(longest, time.monotonic() - started)
        else:
            complete.append(work)
            print(f"{(time.monotonic() - begun) / 60:5.1f} min  {work.name}", file=sys.stderr, flush=True)
    return tuple(complete)


@dataclass(frozen=True)
class Outcome:
    """Everything that tables read.

    Attributes
    ----------
    runs : dict of (trained_on, universe) to Runs
    ablation : dict of universe to Runs
    costs : dict of (trained_on, model) to list of dict
        Summed over folds, one entry a seed.
    steps : dict of universe to Runs
        Learners with default parameters, combined as the ensembles of the same seeds chose; see `as_chosen`.
    notes : dict of work name to list of dict
        Of each fold.
    """

    runs: dict[tuple[TrainedOn, Universe], Runs]
    ablation: dict[Universe, Runs]
    costs: dict[tuple[TrainedOn, str], list[dict[str, float]]]
    steps: Mapping[Universe, Runs]
    notes: dict[str, list[dict[str, Any]]]


def collect(course: Course, store: Store, complete: tuple[Work, ...]) -> Outcome:
    """Score what is complete, on both universes."""
    runs: dict[tuple[TrainedOn, Universe], dict[str, list[Sampled]]] = {}
    ablation: dict[Universe, dict[str, list[Sampled]]] = {}
    costs: dict[tuple[TrainedOn, str], list[dict[str, float]]] = {}
    notes = {}

    def sampled(found: Scored) -> Sampled:
        return Sampled.of(found, course.settings.portfolio.horizon, course.settings.evidence)

    for universe in UNIVERSES:
        runs["members", universe] = {"equal weight": [sampled(score_equal_weight(course, universe))]}
    for work in complete:
        parts = store.stored(work.name, course.folds)
        if parts is None:
            continue
        notes[work.name] = [part.notes for part in parts]
        is_ablated = work.group not in ("rules", "logistic", "learners", "ensemble")
        for model in parts[0].scores:
            if is_ablated and model != "plain average":
                continue
            for universe in UNIVERSES:
                found = sampled(score(course, parts, model, universe))
                if is_ablated:
                    ablation.setdefault(universe, {}).setdefault(work.group, []).append(found)
                    continue
                runs.setdefault((work.trained_on, universe), {}).setdefault(model, []).append(found)
                if model == "plain average" and work.trained_on == "members":
                    ablation.setdefault(universe, {}).setdefault(ALL, []).append(found)
            if not is_ablated:
                cost = _summed([part.cost[model] for part in parts])
                if work.group == "ensemble":
                    searches = [
                        search(course, store, point, work.seed or 0, work.name)[1]
                        for point in course.plan.tuning_points
                    ]
                    cost = _summed([cost, *searches])
                costs.setdefault((work.trained_on, model), []).append(cost)
    steps: dict[Universe, dict[str, list[Sampled]]] = {}
    for work in complete:
        if work.group == "ensemble" and work.trained_on == "members":
            defaults = store.stored(f"learners-members-{work.seed}", course.folds)
            if defaults is not None:
                folds = zip(course.folds, defaults, notes[work.name], strict=True)
                parts = [as_chosen(course, fold, part, note) for fold, part, note in folds]
                for step in parts[0].scores:
                    for universe in UNIVERSES:
                        found = sampled(score(course, parts, step, universe))
                        steps.setdefault(universe, {}).setdefault(step, []).append(found)
    return Outcome(runs=runs, ablation=ablation, costs=costs, steps=steps, notes=notes)


def as_chosen(course: Course, fold: FoldPlan, defaults: Measured, note: Mapping[str, Any]) -> Measured:
    """Combine the learners with default parameters as an ensemble combined its own: by weights, then neutral or not.

    These stand between the plain average and the ensemble: the first differs from the average by its weights alone,
    the last from the ensemble by the search alone.
    """
    grid = np.zeros_like(defaults.scores["plain average"])
    for name, weight in note["weights"].items():
        if weight > 0:
            odds = logit(np.clip(defaults.scores[name], PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
            grid = grid + weight * (odds - np.nanmean(odds)) / np.nanstd(odds)
    neutral = grid.copy()
    if note["way"].endswith("neutral"):
        row, column = np.nonzero(np.isfinite(grid))
        numbers = row + course.decided(fold).start
        exposures = exposures_of(course.market.features, numbers, column)
        if exposures is not None:
            neutral[row, column] = neutralise(grid[row, column], exposures, numbers)
    return Measured(scores={CHOSEN_WEIGHTS: grid, CHOSEN_NEUTRAL: neutral}, cost={}, notes={})


def _summed(costs: list[dict[str, float]]) -> dict[str, float]:
    return {
        "cpu": sum(cost["cpu"] for cost in costs),
        "wall": sum(cost["wall"] for cost in costs),
        "peak_mb": max(cost["peak_mb"] for cost in costs),
    }
