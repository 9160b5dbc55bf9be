"""The document of results as the tables and sentences of docs/models.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.controls.tables import markdown_table

Found = Mapping[str, Any]
TITLES = {"members": "members of the day", "all": "all names"}
TOP_FEATURES = 20
RANKING = ("model", "rank IC", "ICIR", "hit / base %", "matched skill, points", "relative hit / base %")
PORTFOLIO = (
    "model",
    "seeds",
    "Sharpe ratio",
    "drawdown %",
    "outperforms SPY by, % a year",
    "mean active return, % a year",
    "turnover, % a year",
)


def sections(results: Found) -> dict[str, str]:
    """Return every generated part of the page that there are results for."""
    parts = {"models-run": run_sentence(results)}
    for universe in TITLES:
        parts[f"models-{universe}"] = models_table(results, universe)
    parts["models-seeds"] = seeds_table(results["models"])
    parts["models-cost"] = cost_table(results)
    parts["models-beside"] = beside_table(results["beside_members"])
    parts["models-steps"] = decomposition_table(results["decomposition"])
    parts["models-chosen"] = (
        f"{chosen_table(results)}\n\n{diagnosis_table(results['diagnosis'])}\n\n{failure_sentence(results['failed'])}"
    )
    parts["ablation"] = ablation_tables(results["ablation"])
    parts["importance"] = importance_tables(results["importance"])
    for name, write in (("fold", fold_table), ("scikit", scikit_table), ("handler-import", import_sentence)):
        parts[f"models-{name}"] = write(results[name]) if name in results else "Not measured."
    return parts


def run_sentence(results: Found) -> str:
    """Say what was run."""
    s, run = results["setting"], results["run"]
    families = ", ".join(f"{count} {family}" for family, count in s["families"].items())
    share = f"{100 * s['confidence']:.0f} %"
    left = run["left_out"]
    return (
        f"Measured {run['date']}: {s['n_symbols']} symbols, {s['n_features']} columns ({families}); decisions "
        f"{s['first_decision']} to {s['last_decision']}, {s['n_folds']} windows of {s['window_days']} days and the "
        f"holdout from {s['holdout_first']}; fitted on every {_ordinal(s['training_stride'])} session of up to "
        f"{s['train_years']:g} years, target `{s['target']}`, horizon {s['horizon']}, {s['cost_bps']:g} basis points a "
        f"side. Search: {s['n_trials']} configurations a learner and search, {s['inner_folds']} inner folds, once "
        f"before the first window and once for the holdout; {s['network_seeds']} networks are averaged. Seeds: "
        f"{run['seeds']}. One process, one thread, {run['machine']}. Data {s['dataset_hash']}, code "
        f"{run['code_version']}. Bounds: one-sided {share}, {s['bootstrap_draws']:,} draws, the same for all. "
        + (f"Left out for want of time: {', '.join(left)}." if left else "Nothing was left out.")
    )


def models_table(results: Found, universe: str) -> str:
    """How each model ranks, and what its portfolio earns: the same predictions, scored on one universe."""
    texts = []
    for trained_on in TITLES:
        models = results["models"].get(f"{trained_on}/{universe}")
        if not models or (trained_on == "all" and universe == "members"):
            continue
        ranking = [
            [
                name,
                _with_bounds(found["rank_ic"], 1, 3),
                _with_bounds(found["icir"], 1, 2),
                f"{_with_bounds(found['hit_rate'], 100, 1)} / {_plain(found['base_rate'], 100, 1)}",
                _with_bounds(found["matched_skill"], 100, 1),
                f"{_with_bounds(found['relative_hit_rate'], 100, 1)} / {_plain(found['relative_base_rate'], 100, 1)}",
            ]
            for name, found in models.items()
        ]
        portfolio = [
            [
                name,
                str(found["n_seeds"]),
                _with_bounds(found["sharpe_ratio"], 1, 2),
                _plain(_mean(found["max_drawdown"]), 100, 0),
                _plain(_mean(found["market_outperformance"]), 100, 1),
                _with_bounds(found["active_return"], 100, 1),
                _plain(found["turnover"], 100, 0),
            ]
            for name, found in models.items()
        ]
        texts += [
            f"Fitted on {TITLES[trained_on]}, scored on {TITLES[universe]}:",
            markdown_table(RANKING, ranking),
            markdown_table(PORTFOLIO, portfolio),
        ]
    return "\n\n".join(texts) or "Not measured."


def seeds_table(models: Mapping[str, Found]) -> str:
    """Lowest and highest of the seeds: what the luck of one seed may be taken for."""
    rows = []
    for universe, title in TITLES.items():
        for name, found in models.get(f"members/{universe}", {}).items():
            if found["n_seeds"] > 1:
                rows.append(
                    [
                        f"{name}, {title}",
                        _range(found["rank_ic"]["seeds"], 1, 3),
                        _range(found["matched_skill"]["seeds"], 100, 1),
                        _range(found["sharpe_ratio"]["seeds"], 1, 2),
                        _range(found["active_return"]["seeds"], 100, 1),
                    ]
                )
    header = ["", "rank IC", "matched skill, points", "Sharpe ratio", "mean active return, % a year"]
    return markdown_table(header, rows) if rows else "One seed only."


def cost_table(results: Found) -> str:
    """Time and memory of the whole course, mean over seeds."""
    rows = []
    for key, costs in results["costs"].items():
        trained_on, model = key.split("/", 1)
        if trained_on == "members":
            rows.append(
                [
                    model,
                    f"{mean(cost['cpu'] for cost in costs):,.0f}",
                    f"{mean(cost['wall'] for cost in costs):,.0f}",
                    f"{max(cost['peak_mb'] for cost in costs):,.0f}",
                ]
            )
    return markdown_table(["model, all folds", "CPU s", "wall s", "peak MB of the process"], rows)


def beside_table(beside: Mapping[str, Found]) -> str:
    """Compare the ensemble with each member, and say what follows."""
    texts = []
    for key, found in beside.items():
        trained_on, universe = key.split("/")
        if trained_on == "all" and universe == "members":
            continue
        rows = [[f"less {model}", *_compared(by)] for model, by in found["difference"].items()]
        table = markdown_table(
            ["tuned ensemble", "rank IC", "Sharpe ratio", "matched skill, points", "active return, % a year"], rows
        )
        verdicts = " ".join(_verdict(name, verdict) for name, verdict in found["verdict"].items())
        texts.append(f"Fitted on {TITLES[trained_on]}, scored on {TITLES[universe]}:\n\n{table}\n\n{verdicts}")
    return "\n\n".join(texts) or "Not measured."


def _verdict(name: str, verdict: Found) -> str:
    title = {"rank_ic": "rank IC", "sharpe_ratio": "Sharpe ratio"}[name]
    found = verdict["difference"]["value"]
    if verdict["worse_beyond_interval"]:
        how = "**below its best member by more than the interval**"
    elif verdict["better_beyond_interval"]:
        how = "above its best member by more than the interval"
    else:
        how = f"{'below' if found is not None and found < 0 else 'above'} its best member, within the interval"
    return f"In {title} the ensemble is {how} ({verdict['best_member']}, known only afterwards)."


def chosen_table(results: Found) -> str:
    """Tell what the combination and the search decided."""
    rows = []
    for work, folds in results["combinations"].items():
        names = [fold["way"].replace("single", f"{fold['combination']} alone") for fold in folds]
        learners = sorted({name for fold in folds for name in fold["weights"]})
        weights = ", ".join(f"{name} {mean(fold['weights'].get(name, 0.0) for fold in folds):.2f}" for name in learners)
        counts = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(sorted(names)))
        found = [search for search in results["searches"] if search["work"] == work]
        gains = "; ".join(
            ", ".join(f"{name} {_gain(entry)}" for name, entry in search["learners"].items()) for search in found
        )
        rows.append([work.removeprefix("ensemble-"), counts, weights, gains])
    header = [
        "fitted on, seed",
        "folds by combination",
        "mean weights",
        "inner Sharpe ratio of the defaults -> best, by search; (in brackets): within luck, not taken",
    ]
    return markdown_table(header, rows) if rows else "Not measured."


def decomposition_table(decomposition: Mapping[str, Found]) -> str:
    """From the plain average to the ensemble, a step at a time."""
    texts = []
    for universe, steps in decomposition.items():
        rows = []
        for name, found in steps.items():
            rows.append([name, *_compared(found["alone"])])
            if found["step"] is not None:
                rows.append(["... less the row above", *_compared(found["step"])])
        header = ["step", "rank IC", "Sharpe ratio", "matched skill, points", "active return, % a year"]
        texts.append(f"Scored on {TITLES[universe]}:\n\n{markdown_table(header, rows)}")
    return "\n\n".join(texts) or "Not measured."


def _compared(by: Found) -> list[str]:
    return [
        _with_bounds(by["rank_ic"], 1, 3),
        _with_bounds(by["sharpe_ratio"], 1, 2),
        _with_bounds(by["matched_skill"], 100, 1),
        _with_bounds(by["active_return"], 100, 1),
    ]


def diagnosis_table(diagnosis: Mapping[str, Found]) -> str:
    """From inner folds to windows: what was promised, what tuning made of it, and what defaults would have given."""
    rows = [
        [
            "the ensemble; beside it the plain average" if learner == "all" else learner,
            str(found["n_folds"]),
            _plain(found["inner"], 1, 3),
            _plain(found["tuned"], 1, 3),
            _plain(found["default"], 1, 3),
        ]
        for learner, found in sorted(diagnosis.items(), key=lambda item: item[0] == "all")
    ]
    header = [
        "mean rank IC, where used",
        "folds x seeds",
        "inner folds, tuned",
        "its windows, tuned",
        "its windows, defaults",
    ]
    return markdown_table(header, rows) if rows else "Not measured."


def failure_sentence(failed: Sequence[str]) -> str:
    """Say how many fits failed, and the first ones why."""
    if not failed:
        return "No learner failed in any fold."
    return f"Learners failed {len(failed)} times; the first: {'; '.join(failed[:3])}."


def _gain(entry: Found) -> str:
    best = f"{_plain(entry['default'], 1, 2)} -> {_plain(entry['best'], 1, 2)}"
    return best if entry["taken"] else f"({best})"


def ablation_tables(ablation: Mapping[str, Found]) -> str:
    """Each set alone, and the paired differences."""
    texts = []
    for universe, found in ablation.items():
        rows = []
        for name, part in found["sets"].items():
            alone = part["alone"]
            rows.append(
                [
                    name,
                    _with_bounds(alone["rank_ic"], 1, 3),
                    _with_bounds(alone["matched_skill"], 100, 1),
                    _with_bounds(alone["active_return"], 100, 1),
                    _with_bounds(alone["sharpe_ratio"], 1, 2),
                ]
            )
        header = ["columns", "rank IC", "matched skill, points", "active return, % a year", "Sharpe ratio"]
        text = f"Scored on {TITLES[universe]}, {found['n_seeds']} seeds:\n\n{markdown_table(header, rows)}"
        for base in ("less seven indicators", "less technical"):
            compared = [
                [f"{name} {base}", *(_with_bounds(part[base][key], scale, digits) for key, scale, digits in _ABLATED)]
                for name, part in found["sets"].items()
                if base in part
            ]
            if compared:
                text += "\n\n" + markdown_table(["paired difference", *header[1:4]], compared)
        texts.append(text)
    return "\n\n".join(texts) or "Not measured."


_ABLATED = (("rank_ic", 1, 3), ("matched_skill", 100, 1), ("active_return", 100, 1))


def importance_tables(importance: Found) -> str:
    """Families, and the features that matter most."""
    if not importance:
        return "Not measured."
    texts = []
    for kind, limit in (("family", None), ("feature", TOP_FEATURES)):
        rows = [
            [
                f"`{found['name']}`" if kind == "feature" else found["name"],
                _with_bounds({"value": found["drop"], **found}, 1, 4),
            ]
            for found in importance[kind][:limit]
        ]
        texts.append(markdown_table([kind, "drop in mean daily rank IC when shuffled"], rows))
    n_dates = importance["feature"][0]["n_dates"]
    positive = sum(found["lower"] is not None and found["lower"] > 0 for found in importance["feature"])
    return (
        "\n\n".join(texts)
        + f"\n\nTuned ensembles of {importance['n_folds']} folds (seed 0, members of the day), each on its own window; "
        f"{n_dates} dates, {importance['repeats']} permutations each. {positive} of {len(importance['feature'])} "
        "features have a lower bound above zero."
    )


def fold_table(found: Found) -> str:
    """One fold at the size that is asked for, and how time and memory grow with rows."""
    rows = [
        [
            part["name"],
            f"{part['n_rows']:,} x {part['n_features']}",
            f"{part['cpu']:.0f}",
            f"{part['wall']:.0f}",
            f"{part['peak_mb']:,.0f}",
            part.get("limit", ""),
            {True: "yes", False: "**no**", None: "not told here" if "limit" in part else ""}[part.get("holds")],
        ]
        for part in found["parts"]
    ]
    header = ["one fold, fresh process", "rows x columns", "CPU s", "wall s", "peak MB", "asked for", "holds"]
    grown = (
        f"A million rows more cost {found['cpu_per_million_rows_low']:,.0f} s and "
        f"{found['mb_per_million_rows_low']:,.0f} MB from 1x to 2x, {found['cpu_per_million_rows_high']:,.0f} s and "
        f"{found['mb_per_million_rows_high']:,.0f} MB from 2x to 4x: equal numbers are linear growth."
    )
    return f"{found['sentence']}\n\n{markdown_table(header, rows)}\n\n{grown} {found['memory']}"


def scikit_table(found: Found) -> str:
    """Ours beside the same learners put together the obvious way."""
    rows = [
        [
            part["name"],
            _plain(part["rank_ic"], 1, 4),
            f"{part['cpu']:.0f}",
            f"{part['wall']:.0f}",
            f"{part['peak_mb']:,.0f}",
        ]
        for part in found["parts"]
    ]
    table = markdown_table(["", "rank IC", "CPU s", "wall s", "peak MB"], rows)
    return f"{found['sentence']}\n\n{table}\n\n{found['verdict']}"


def import_sentence(found: Found) -> str:
    """Import of the handler."""
    holds = "holds" if found["cpu"] < 4 else "**does not hold**"
    return f"`{found['handler']}` imports in {found['cpu']:.2f} s of CPU time in a fresh process; under 4 s {holds}."


def _with_bounds(found: Found, scale: float, digits: int) -> str:
    if found["value"] is None:
        return "-"
    text = _plain(found["value"], scale, digits)
    if found["lower"] is None or found["upper"] is None:
        return text
    return f"{text} ({_plain(found['lower'], scale, digits)} to {_plain(found['upper'], scale, digits)})"


def _plain(value: float | None, scale: float, digits: int) -> str:
    if value is None:
        return "-"
    text = f"{scale * value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _range(values: Sequence[float], scale: float, digits: int) -> str:
    return f"{_plain(min(values), scale, digits)} to {_plain(max(values), scale, digits)}" if values else "-"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _ordinal(number: int) -> str:
    return {1: "single", 2: "second", 3: "third", 5: "fifth"}.get(number, f"{number}th")
