"""What was tried: the searches for hyper-parameters, the trials in the ledger, and what they take off the result."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.core.exhibits.values import SearchHistory
from lambdas.core.values import Evidence, TrialEvidence
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Column, Facts, Figure, Section, Table, fact, number, text
from lambdas.report.facts import RunReport
from lambdas.report.figure import MUTED, PORTFOLIO, SECOND, THIRD, axis, layout, line, rounded
from lambdas.report.numbers import percent, short
from lambdas.report.sections.performance import not_backtested

LEARNERS = {
    "lightgbm": (PORTFOLIO, "circle"),
    "xgboost": (SECOND, "square"),
    "network": (THIRD, "diamond"),
}
SESSIONS_PER_YEAR = 252


def search(report: RunReport) -> Section:
    """Tuning history, trials, and the evidence that counts them."""
    title = "What was tried, and what that takes off the result"
    if report.evaluation is None:
        return Section("search", title, [not_backtested(report)])
    evidence = report.evaluation.evidence
    blocks: list[Block] = [Facts(evidence_facts(evidence, report.trials))]
    if report.searches:
        blocks += [history_figure(report.searches), searches_table(report.searches)]
    else:
        why = (
            "predictions of a file come without their searches; the option --trials says how many there were."
            if report.kind == "tear_sheet"
            else "the searches of this run were not kept with it."
        )
        blocks.append(Absent("Tuning history", why))
    trials = "an unknown number of" if evidence.n_trials is None else numbers.count(evidence.n_trials)
    counted = (
        f"By the word of whoever made the file, {trials} configurations were tried to get here."
        if report.kind == "tear_sheet"
        else f"The ledger holds {trials} configurations that were ever scored for this model family."
    )
    lead = f"{counted} The best of many looks good without skill; the deflated Sharpe ratio takes that off."
    return Section("search", title, blocks, lead)


def evidence_facts(evidence: Evidence, trials: TrialEvidence | None) -> list[tuple[str, str]]:
    """Numbers that say how much of the result may be the search's."""
    expected = evidence.expected_best_sharpe
    annual = None if expected is None else expected * SESSIONS_PER_YEAR**0.5
    facts = [
        fact("Trials in the ledger", evidence.n_trials, numbers.count),
        fact("Worth independent trials", evidence.effective_trials, numbers.count),
        fact("Best Sharpe ratio they show without skill, a year", annual, numbers.ratio),
        fact("Deflated Sharpe ratio (probability)", evidence.deflated_sharpe, numbers.probability),
        fact("Probabilistic Sharpe ratio, against 0", evidence.probabilistic_sharpe, numbers.probability),
        fact("Sharpe ratio, lower bound", evidence.sharpe_ratio_lower, numbers.ratio),
        fact(
            f"Track record that proves a Sharpe ratio above 0 at {short(percent(evidence.confidence))}",
            evidence.minimum_track_record,
            numbers.sessions,
        ),
        fact("Probability of backtest overfitting", evidence.pbo, percent),
        fact("Best trial against the market, p-value (SPA)", evidence.spa_p_value, numbers.p_value),
        fact("Correlation between trials of a search", evidence.trial_correlation, numbers.ratio),
    ]
    if trials is not None:
        facts.append(
            (
                "Of this run",
                f"{numbers.count(trials.n_trials)} trials in {numbers.count(trials.n_searches)} searches, "
                f"{numbers.count(trials.n_measured)} measured to the end",
            )
        )
    return facts


def history_figure(searches: Sequence[SearchHistory]) -> Figure | Absent:
    """Sharpe ratio of every configuration in the order of the searches, and the best so far of each search."""
    data = []
    begin, best_x, best_y = 0, list[float | None](), list[float | None]()
    by_learner: dict[str, tuple[list[int], list[float | None], list[str], list[bool]]] = {}
    for found in searches:
        best: float | None = None
        for place, trial in enumerate(found.log):
            x = begin + place + 1
            if trial.sharpe_ratio is not None:
                xs, ys, said, pruned = by_learner.setdefault(trial.learner, ([], [], [], []))
                xs.append(x)
                ys.append(trial.sharpe_ratio)
                pruned.append(trial.pruned)
                state = ", given up early" if trial.pruned else ""
                said.append(f"search {found.point}, {trial.learner} {trial.number}{state}")
                if not trial.pruned:
                    best = trial.sharpe_ratio if best is None else max(best, trial.sharpe_ratio)
            best_x.append(x)
            best_y.append(best)
        begin += len(found.log)
        best_x.append(None)
        best_y.append(None)
    if not by_learner:
        return Absent("Tuning history", "no configuration was measured.")
    steps = {"color": MUTED, "width": 1.4, "shape": "hv"}
    data.append(line("Best of the search so far", best_x, best_y, steps, connectgaps=False, hoverinfo="skip"))
    for learner, (xs, ys, said, pruned) in sorted(by_learner.items()):
        color, symbol = LEARNERS.get(learner, (MUTED, "cross"))
        symbols = [f"{symbol}-open" if given_up else symbol for given_up in pruned]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": learner,
                "x": xs,
                "y": rounded(ys, 4),
                "marker": {
                    "color": color,
                    "symbol": symbols,
                    "size": 7,
                },
                "customdata": said,
                "hovertemplate": "%{y:.2f} (%{customdata})<extra></extra>",
            }
        )
    return Figure(
        "tuning",
        "Tuning history",
        "Sharpe ratio of each configuration on the inner folds of its search: earlier data only, and flattered by the "
        "search. Hollow ones were given up early. The line starts again with each search.",
        data,
        layout(
            hovermode="closest",
            xaxis=axis("configuration, in the order in which it was scored", zeroline=False),
            yaxis=axis("inner Sharpe ratio a year", zeroline=True),
        ),
    )


def searches_table(searches: Sequence[SearchHistory]) -> Table:
    """One row a search."""
    heads = (
        Column("Search"),
        Column("Inner folds from", number=False),
        Column("to", number=False),
        Column("Trials"),
        Column("Given up"),
        Column("Failed"),
        Column("Inner Sharpe ratio", hint="Of the chosen configurations held in equal parts; flattered by the search"),
        Column("Chosen", number=False),
    )
    rows = []
    for found in searches:
        chosen = "; ".join(
            f"{learner}: {', '.join(f'{name} {_short(value)}' for name, value in parameters.items())}"
            for learner, parameters in found.chosen.items()
        )
        rows.append(
            [
                number(found.point, numbers.count),
                text(found.first_session),
                text(found.last_session),
                number(found.trials, numbers.count, detail="cut by its deadline" if found.deadline_reached else ""),
                number(sum(trial.pruned for trial in found.log), numbers.count),
                number(sum(trial.failed for trial in found.log), numbers.count),
                number(found.inner_sharpe_ratio, numbers.ratio),
                text(chosen),
            ]
        )
    return Table("Searches", heads, rows, folded=True)


def _short(value: bool | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.3g}"
