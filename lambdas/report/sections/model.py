"""The candidate itself: what it lives on, what it recommends today, how it stands beside champion and lot."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.core.exhibits.values import FeatureImportance
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Cell, Column, Facts, Figure, Note, Section, Table, fact, number, text
from lambdas.report.facts import RunReport
from lambdas.report.figure import MUTED, PORTFOLIO, axis, interval, layout, rounded
from lambdas.report.numbers import known, percent, points
from lambdas.report.sections.market import not_validated
from lambdas.report.sections.performance import not_backtested
from lambdas.report.vocabulary import GATES, VERDICTS

TOP_FEATURES = 20
FUNDAMENTAL = "fundamental"


def importance(report: RunReport) -> Section:
    """Show importance by family and by feature, and what fundamentals add."""
    title = "What the models live on"
    found = report.importance
    if found is None or not found.by_feature:
        if report.kind == "tear_sheet":
            why = "predictions of a file come without the features they were made of."
        else:
            why = not_backtested(report).why if report.evaluation is None else "no outcome of its dates is known."
        return Section("importance", title, [Absent("Importance", why)])
    lead = (
        "Rank IC that is lost when a feature's values are shuffled among the symbols of a date, on "
        f"{numbers.count(found.n_dates)} dates that the model of each fold has not seen. Features that say the same "
        "share their importance; families do not."
    )
    blocks: list[Block] = [Note(fundamentals_sentence(found.by_family), "strong")]
    if found.by_family:
        blocks.append(importance_figure("families", "By family", found.by_family))
    if found.by_feature:
        # What is the same for all symbols of a date cannot be shuffled there: its drop is 0 and tells nothing.
        top = [row for row in found.by_feature if row.drop != 0.0][:TOP_FEATURES]
        title_of_top = f"By feature, the first {len(top)} of {len(found.by_feature)}"
        blocks += [importance_figure("features", title_of_top, top), importance_table(found.by_feature)]
    return Section("importance", title, blocks, lead)


def fundamentals_sentence(families: Sequence[FeatureImportance]) -> str:
    """Say what fundamentals add."""
    found = next((f for f in families if f.name.startswith(FUNDAMENTAL)), None)
    if found is None:
        return "This run has no fundamental features, so what fundamentals add is not known."
    size = f"{numbers.correlation(found.drop)} of rank IC"
    if found.lower is None or found.upper is None:
        return f"Fundamentals add {size}; there are too few dates to say how sure that is."
    span = f"between {numbers.correlation(found.lower)} and {numbers.correlation(found.upper)}"
    if found.lower > 0:
        return f"Fundamentals add {size}, {span}."
    if found.upper < 0:
        return f"Fundamentals cost {size}, {span}: the models rank better without what they say."
    return f"Fundamentals are not shown to add anything: {size}, {span}."


def importance_figure(id_: str, title: str, found: Sequence[FeatureImportance]) -> Figure:
    """Bars with their bounds, the largest on top."""
    rows = list(reversed(found))
    drops: list[float | None] = [row.drop for row in rows]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": rounded(drops),
        "y": [row.name.replace("_", " ") for row in rows],
        "marker": {"color": PORTFOLIO},
        "error_x": interval([row.lower for row in rows], drops, [row.upper for row in rows], MUTED),
        "customdata": [row.family for row in rows],
        "hovertemplate": "%{x:.4f} (%{customdata})<extra></extra>",
    }
    return Figure(
        id_,
        title,
        "Bars are means over dates, whiskers one-sided bounds on each side. Below zero: better without it.",
        [bars],
        layout(
            hovermode="closest",
            xaxis=axis("rank IC lost", zeroline=True),
            yaxis=axis(automargin=True, type="category"),
            showlegend=False,
        ),
        height=110 + 24 * len(rows),
    )


def importance_table(found: Sequence[FeatureImportance]) -> Table:
    """Every feature."""
    rows = [
        [
            text(row.name),
            text(row.family),
            number(row.drop, numbers.correlation),
            number(row.lower, numbers.correlation),
            number(row.upper, numbers.correlation),
        ]
        for row in found
    ]
    heads = (
        Column("Feature", number=False),
        Column("Family", number=False),
        Column("Rank IC lost"),
        Column("Lower bound"),
        Column("Upper bound"),
    )
    return Table(
        "All features",
        heads,
        rows,
        note="What is the same for all symbols of a date, such as the level of a macro series, cannot be shuffled: 0.",
        folded=True,
    )


def recommendations(report: RunReport) -> Section:
    """List what is recommended on the last session, and what spoke for it."""
    title = "Latest recommendations"
    study = report.study
    if study is None:
        return Section("recommendations", title, [not_validated(report)])
    if not study.recommended:
        none = Absent("Recommendations", "no symbol reaches the probability that is asked for on the last session.")
        return Section("recommendations", title, [none])
    session = study.holdout.last_session
    voices = {one.symbol: one.voices for one in report.candidate.explanations} if report.candidate else {}
    heads = [
        Column("Symbol", number=False),
        Column("Probability", hint="Of a hit, as it would be published"),
        Column("Return, a year", hint="Total return over the last 252 sessions"),
    ]
    sectors = any(one.sector for one in study.recommended)
    lead = f"For entry at the open after {session}, by probability."
    if sectors:
        lead += " Percentiles: 100th is best within the group."
    if sectors:
        heads[2:2] = [
            Column("Sector", number=False),
            Column("Its place in the sector", hint="Percentile of its probability among the symbols of its sector"),
            Column("in the industry", hint="Percentile of its probability among the symbols of its industry"),
        ]
        heads.append(
            Column("Its place in the sector", hint="Percentile of that return among the symbols of its sector")
        )
    rows: list[list[Cell]] = []
    for one in study.recommended:
        row = [
            text(one.symbol, tone="strong"),
            number(one.probability, percent),
            number(one.year_return, percent),
        ]
        if sectors:
            row[2:2] = [
                text(one.sector, detail=one.industry if one.industry and one.industry != one.sector else ""),
                number(one.probability_in_sector, numbers.percentile),
                number(one.probability_in_industry, numbers.percentile),
            ]
            row.append(number(one.return_in_sector, numbers.percentile))
        if voices:
            spoke = [f"{v.feature.replace('_', ' ')} {points(v.effect)}" for v in voices.get(one.symbol, ())]
            row.insert(2, text(", ".join(spoke) or "nothing stands out"))
        rows.append(row)
    blocks: list[Block] = []
    if voices:
        heads.insert(2, Column("What spoke", number=False, hint="Features that moved its probability most"))
    table = Table(
        f"{len(rows)} symbols",
        heads,
        rows,
        note="What spoke: probability less what it would be with that feature at the median of the date."
        if voices
        else "",
    )
    blocks.append(table)
    if not voices:
        of_a_file = report.kind == "tear_sheet"
        why = (
            "predictions of a file come without the features they were made of."
            if of_a_file
            else ("the candidate was not asked.")
        )
        blocks.append(Absent("Features that spoke for each", why))
    return Section("recommendations", title, blocks, lead)


def competition(report: RunReport) -> Section:
    """Candidate against champion, target, competitive score and its parts."""
    title = "Beside the champion, the target and the lot"
    if not report.validated:
        return Section("competition", title, [not_validated(report)])
    blocks: list[Block] = [champion_facts(report)]
    target = report.target
    if target is not None:
        blocks.append(
            Facts(
                (
                    ("Target", "met" if target.target_met else "not met"),
                    (
                        "Hit rate, all out of sample",
                        f"{known(target.hit_rate, percent)} "
                        f"({known(target.hit_rate_distance, points)} from the target)",
                    ),
                    (
                        "Return over SPY, holdout",
                        f"{known(target.market_outperformance, points)} "
                        f"({known(target.market_outperformance_distance, points)} from the target)",
                    ),
                    *(
                        ()
                        if report.recommended_deployment is None
                        else (("Recommended deployment", "yes" if report.recommended_deployment else "no"),)
                    ),
                )
            )
        )
    score = report.competitive_score
    if score is not None:
        blocks.append(
            Facts(
                (
                    fact("Competitive score, 0 to 100", score.score, numbers.score),
                    fact("Return among all symbols", score.return_among_symbols, numbers.percentile),
                    fact("Sharpe ratio among all symbols", score.sharpe_among_symbols, numbers.percentile),
                    fact("Return among sectors", score.return_among_sectors, numbers.percentile),
                    fact("Sharpe ratio among portfolios by lot", score.sharpe_among_random, numbers.percentile),
                )
            )
        )
        blocks.append(
            Note(
                score.explanation
                or "The score is the mean of the four percentiles; portfolios by lot follow the same rule on the same "
                "dates, costs included.",
                "muted",
            )
        )
    return Section("competition", title, blocks)


def shadow(report: RunReport) -> Section:
    """List the verdicts on the shadow: a model of an earlier run, judged on its live record."""
    rows = [
        [
            text(GATES[gate.gate][0], tone="strong"),
            text(f"{VERDICTS[gate.verdict][1]} {VERDICTS[gate.verdict][0]}", tone=VERDICTS[gate.verdict][2]),
            text(gate.reason),
        ]
        for gate in report.shadow_gates
    ]
    heads = [Column("Gate", number=False), Column("Verdict", number=False), Column("Why", number=False)]
    lead = (
        "A candidate of an earlier run whose evidence did not suffice. It is scored daily and published nowhere; here "
        "it is asked again what every candidate is asked, with its live record as evidence."
    )
    return Section("shadow", "The shadow", [Table("Its gates", heads, rows, sortable=False)], lead)


def champion_facts(report: RunReport) -> Block:
    """Return the paired comparison, or that there is nobody to compare with."""
    found = report.champion
    if found is None:
        if report.kind == "tear_sheet":
            return Absent("Champion", "predictions of a file are compared with no champion.")
        before = report.run.get("champion_before")
        if before is None:
            return Note("There was no champion to compare the candidate with.")
        return Absent(f"Champion {before}", "it could not be scored on this data.")
    verdict = "shown to be better" if found.better else "not shown to be worse" if found.not_worse else "worse"
    return Facts(
        (
            ("Champion", found.champion),
            ("The candidate is", verdict),
            (
                "Difference a year, candidate less champion",
                f"{known(found.difference, points)}, between {known(found.difference_lower, points)} and "
                f"{known(found.difference_upper, points)}",
            ),
            (
                "Difference of hit rates",
                f"{known(found.hit_rate_difference, points)}, between {known(found.hit_rate_difference_lower, points)} "
                f"and {known(found.hit_rate_difference_upper, points)}",
            ),
            fact("On the same", found.n_sessions, numbers.sessions),
        )
    )
