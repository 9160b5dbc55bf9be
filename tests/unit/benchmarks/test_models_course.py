"""The course of the model benchmark, run on a tiny simulated market: what it stores, resumes, scores and writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from benchmarks.models import __main__ as command
from benchmarks.models import tables
from benchmarks.models.ablation import ALL, SEVEN, SEVEN_INDICATORS, TECHNICAL, ablation_sets
from benchmarks.models.contenders import learners
from benchmarks.models.course import Store, quick_course
from benchmarks.models.running import CHOSEN_NEUTRAL, CHOSEN_WEIGHTS, LEARNED, as_chosen, works
from benchmarks.models.scoring import score
from lambdas.core.backtest.evaluation import evaluate_predictions
from lambdas.core.labels import eligible
from lambdas.core.models.lightgbm_learner import LightGBMLearner

ROOT = Path(__file__).resolve().parents[3]
MODELS = ("equal weight", "12-1 momentum", "lowest volatility", "logistic regression", *LEARNED, "tuned ensemble")


@pytest.fixture(scope="module")
def course():
    return quick_course()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run: results, page and cache."""
    folder = tmp_path_factory.mktemp("bench-models")
    markers = re.findall(r"<!-- ([a-z-]+):begin -->", (ROOT / "docs" / "models.md").read_text(encoding="utf-8"))
    text = "".join(f"Prose of {name}.\n<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n" for name in markers)
    (folder / "page.md").write_text(text, encoding="utf-8")
    run(folder)
    return folder


def run(folder: Path, *more: str) -> dict:
    paths = ["--results", folder / "models.json", "--page", folder / "page.md", "--cache", folder / "cache"]
    command.main(["--quick", "--seeds", "1", *map(str, paths), *more])
    return json.loads((folder / "models.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "models.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def parts(course, folder):
    return Store(folder / "cache", course).stored("learners-members-0", course.folds)


def test_every_model_is_measured_on_both_universes(results):
    assert results["run"]["left_out"] == []
    for universe in ("members", "all"):
        found = results["models"][f"members/{universe}"]
        assert set(found) == set(MODELS)
        for model, row in found.items():
            assert row["sharpe_ratio"]["lower"] < row["sharpe_ratio"]["value"] < row["sharpe_ratio"]["upper"], model
            assert row["rank_ic"]["value"] is not None or model == "equal weight"
    assert all(cost["cpu"] > 0 and cost["peak_mb"] > 0 for costs in results["costs"].values() for cost in costs)


def test_the_page_keeps_its_prose_and_gets_every_table(folder, results):
    text = (folder / "page.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- ([a-z-]+):begin -->", text)) >= set(tables.sections(results))
    for name, table in tables.sections(results).items():
        assert table in text
        assert f"Prose of {name}." in text
    for model in MODELS:
        assert f"| {model} |" in text


def test_a_second_run_reads_what_the_first_one_stored(folder, results):
    files = {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*") if path.is_file()}
    again = run(folder, "--minutes", "0")  # no time at all: nothing can be fitted
    assert {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*") if path.is_file()} == files
    assert again["models"] == results["models"]
    assert again["run"]["left_out"] == []


def test_a_run_out_of_time_says_what_it_left_out(tmp_path, folder):
    text = (folder / "page.md").read_text(encoding="utf-8")
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    found = run(tmp_path, "--minutes", "0")
    assert "ensemble-members-0" in found["run"]["left_out"]
    assert set(found["models"]["members/all"]) == {"equal weight"}
    assert "Left out for want of time: rules, " in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_no_outcome_of_training_is_known_only_later(course):
    for fold in course.folds:
        decisions = course.training_rows(fold).decisions
        assert decisions.max() + 1 + course.settings.portfolio.horizon <= course.decided(fold).start


def test_scores_become_the_evaluation_of_the_product(course, parts, results):
    sessions, symbols = course.market.features.sessions, np.array(course.market.features.symbols)
    frames = []
    for fold, part in zip(course.folds, parts, strict=True):
        grid = part.scores["network"]
        row, column = np.nonzero(np.isfinite(grid))
        frames.append(
            pd.DataFrame(
                {
                    "date": sessions[course.decided(fold)][row],
                    "symbol": symbols[column],
                    # Another increasing function than the benchmark's: only the order may matter.
                    "probability": 0.5 + 0.5 * grid[row, column],
                }
            )
        )
    judged = evaluate_predictions(course.market.dataset, pd.concat(frames), course.settings, n_trials=None)
    found = results["models"]["members/members"]["network"]
    assert found["rank_ic"]["value"] == pytest.approx(judged.pooled.rank_ic)
    assert found["sharpe_ratio"]["value"] == pytest.approx(judged.pooled.sharpe_ratio)
    assert found["sharpe_ratio"]["lower"] == pytest.approx(judged.evidence.sharpe_ratio_lower)
    assert found["matched_skill"]["value"] == pytest.approx(judged.pooled.matched_skill)
    assert found["max_drawdown"] == pytest.approx([judged.pooled.max_drawdown])
    assert found["market_outperformance"] == pytest.approx([judged.pooled.market_outperformance["SPY"]])


def test_the_plain_average_is_the_mean_of_the_three(parts):
    for part in parts:
        three = np.mean([part.scores[name] for name in LEARNED[:-1]], axis=0)
        np.testing.assert_allclose(part.scores["plain average"], three)


def test_default_learners_are_combined_as_the_ensemble_chose(course, parts):
    def combined(way, **weights):
        note = {"weights": weights, "way": way}
        return as_chosen(course, course.folds[0], parts[0], note).scores

    plain = combined("voting", **dict.fromkeys(LEARNED[:-1], 1 / 3))
    odds = [np.log(parts[0].scores[name] / (1 - parts[0].scores[name])) for name in LEARNED[:-1]]
    slow = sum((values - np.nanmean(values)) / np.nanstd(values) for values in odds) / 3
    np.testing.assert_allclose(plain[CHOSEN_WEIGHTS], slow, rtol=1e-9)
    np.testing.assert_array_equal(plain[CHOSEN_NEUTRAL], plain[CHOSEN_WEIGHTS])

    neutral = combined("single neutral", xgboost=1.0, lightgbm=0.0, network=0.0)
    ranks = [rankdata(values, axis=1) for values in (neutral[CHOSEN_WEIGHTS], parts[0].scores["xgboost"])]
    np.testing.assert_array_equal(*ranks)
    beta = course.market.features.of("beta_252")[course.decided(course.folds[0])].astype(float)
    known = np.isfinite(neutral[CHOSEN_NEUTRAL]) & np.isfinite(beta)
    full = known.sum(axis=1) >= 10
    assert full.any()

    def correlation(scores):
        return [
            abs(np.corrcoef(s[k], b[k])[0, 1]) for s, b, k in zip(scores, beta, known, strict=True) if k.sum() >= 10
        ]

    # Not exactly zero: the exposures of the regression are clipped.
    assert np.mean(correlation(neutral[CHOSEN_NEUTRAL])) < 0.3 * np.mean(correlation(neutral[CHOSEN_WEIGHTS]))


def test_the_steps_lead_from_the_average_to_the_ensemble(results):
    for universe in ("members", "all"):
        steps, models = results["decomposition"][universe], results["models"][f"members/{universe}"]
        values = [found["alone"]["rank_ic"]["value"] for found in steps.values()]
        assert values[0] == models["plain average"]["rank_ic"]["value"]
        assert values[-1] == models["tuned ensemble"]["rank_ic"]["value"]
        walked = sum(found["step"]["rank_ic"]["value"] for found in list(steps.values())[1:])
        assert walked == pytest.approx(values[-1] - values[0])


def test_members_only_counts_members_only(course, parts):
    dataset = course.market.dataset
    symbols = dataset.prices.symbols
    everybody = [(symbol, dataset.sessions[0], pd.NaT) for symbol in symbols[:9]]
    membership = pd.DataFrame(everybody, columns=["symbol", "start", "end"])
    smaller = replace(course, market=replace(course.market, dataset=replace(dataset, membership=membership)))
    members = score(smaller, parts, "network", "members").metrics
    everyone = score(smaller, parts, "network", "all").metrics
    assert everyone.rank_ic == pytest.approx(score(course, parts, "network", "all").metrics.rank_ic)
    assert members.rank_ic != pytest.approx(everyone.rank_ic)
    assert smaller.trained_on("members").market.eligible[:, 9:].sum() == 0
    np.testing.assert_array_equal(
        smaller.trained_on("all").market.eligible,
        eligible(replace(dataset, membership=None), course.settings.portfolio.min_history_sessions),
    )


def test_ablation_sets_are_nested_and_complete(course):
    features = course.market.features
    sets = ablation_sets(features)
    assert set(sets[ALL]) == set(features.names)
    assert set(sets[SEVEN]) < set(sets[TECHNICAL]) < set(sets[ALL])
    assert {name.removesuffix("_rank") for name in sets[SEVEN]} >= set(SEVEN_INDICATORS)
    assert {features.families[name] for name in sets[TECHNICAL]} == {"technical"}
    for family in ("fundamental", "sector", "macro"):
        added = set(sets[f"technical + {family}"]) - set(sets[TECHNICAL])
        assert {features.families[name] for name in added} == {family}
    assert len(set(map(len, sets.values()))) == len(sets)


def test_what_the_first_seed_can_tell_comes_before_other_seeds(course, tmp_path):
    names = [work.name for work in works(course, Store(tmp_path, course), 2, ("members", "all"), True)]
    assert names[0] == "rules"
    assert len(set(names)) == len(names)
    first = [name for name in names if name.endswith("-0") and "-all-" not in name]
    second = [name for name in names if name.endswith("-1") and "-all-" not in name]
    assert names[2 : 2 + len(first)] == first
    assert [name[:-1] for name in second] == [name[:-1] for name in first]
    assert names.index("ablation-technical-macro-1") < names.index("learners-all-0")


def test_a_learner_that_fails_buys_nothing_alone_and_is_noted(course, monkeypatch):
    def refuse(self, *_, **__):
        raise ValueError("no luck today")

    monkeypatch.setattr(LightGBMLearner, "fit_rows", refuse)
    found = learners(course, course.folds[0], 0, ("momentum_21", "volatility_21"))
    assert found.notes["failed"] == {"lightgbm": "ValueError: no luck today"}
    assert np.isnan(found.scores["lightgbm"]).all()
    two = np.mean([found.scores[name] for name in ("xgboost", "network")], axis=0)
    np.testing.assert_allclose(found.scores["plain average"], two)


def test_other_settings_are_stored_apart(course, tmp_path):
    tuning = course.settings.tuning.model_copy(update={"n_trials": 7})
    other = replace(course, settings=course.settings.model_copy(update={"tuning": tuning}))
    assert Store(tmp_path, course).folder != Store(tmp_path, other).folder
    assert Store(tmp_path, course).folder != Store(tmp_path, replace(course, identity="another data set")).folder


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ((-0.05, -0.03, -0.01), "**below its best member by more than the interval**"),
        ((-0.05, -0.09, 0.01), "below its best member, within the interval"),
        ((0.05, -0.01, 0.09), "above its best member, within the interval"),
        ((0.05, 0.01, 0.09), "above its best member by more than the interval"),
    ],
)
def test_the_verdict_says_plainly_where_the_ensemble_is_worse(bounds, sentence):
    value, lower, upper = bounds
    cell = {"value": value, "lower": lower, "upper": upper, "seeds": []}
    verdict = {
        "best_member": "lightgbm",
        "difference": cell,
        "worse_beyond_interval": upper < 0,
        "better_beyond_interval": lower > 0,
    }
    by_member = dict.fromkeys(("rank_ic", "sharpe_ratio", "matched_skill", "active_return"), cell)
    text = tables.beside_table(
        {"members/members": {"difference": {"lightgbm": by_member}, "verdict": {"rank_ic": verdict}}}
    )
    assert f"In rank IC the ensemble is {sentence} (lightgbm" in text


def test_the_page_shows_the_results_that_are_kept():
    kept, page = ROOT / "benchmarks" / "results" / "models.json", ROOT / "docs" / "models.md"
    if not kept.exists():
        pytest.skip("benchmarks/results/models.json is not there: `make bench-models` has not been run")
    text = page.read_text(encoding="utf-8")
    for name, table in tables.sections(json.loads(kept.read_text(encoding="utf-8"))).items():
        assert f"<!-- {name}:begin -->\n{table.strip()}\n<!-- {name}:end -->" in text, name
