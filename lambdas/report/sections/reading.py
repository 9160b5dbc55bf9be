"""How to read the page: the terms that a person who knows stocks may not know."""

from __future__ import annotations

from lambdas.report.content import Facts, Section

TERMS = (
    ("pts", "Percentage points: the difference of two percentages."),
    (
        "Out of sample",
        "Predicted by a model that was fitted on earlier, closed outcomes alone. Walk-forward: one model a window. "
        "Holdout: the candidate itself, frozen, on the last months.",
    ),
    (
        "Hit rate",
        "Share of matured recommendations that made money after costs. In a rising market that is more than half of "
        "anybody's, so it always stands beside its base rate: the hit rate of recommending everything.",
    ),
    ("Matured", "The holding period is over, so the outcome is known."),
    (
        "Matched skill",
        "Hit rate less that of symbols of like volatility: calm stocks hit more often.",
    ),
    (
        "Lower bound",
        "With the confidence of the settings (95 %) the true value is above it: stationary bootstrap over dates, since "
        "all symbols of a date share its luck and outcomes of neighbouring dates overlap.",
    ),
    (
        "PASS, FAIL, INSUFFICIENT EVIDENCE",
        "FAIL: the threshold is missed. INSUFFICIENT EVIDENCE: it is met, and it may be luck. Both keep the champion.",
    ),
    ("Sharpe ratio", "Mean return over cash, divided by its standard deviation, a year."),
    (
        "Deflated Sharpe ratio",
        "Probability that the Sharpe ratio is more than the best of all trials would show without skill (Bailey & "
        "Lopez de Prado 2014).",
    ),
    ("Active return", "Return less that of SPY, a year."),
    ("Rank IC", "Spearman correlation, across the symbols of a date, of probability and return that followed."),
    ("Tables", "A click on the head of a column sorts by it, a second one turns the order around."),
    ("Portfolios by lot", "The same rule, dates, number of positions and costs; symbols drawn at random."),
)


def reading() -> Section:
    """List the terms, in the order in which the page needs them."""
    return Section("reading", "How to read this page", [Facts(TERMS, wide=True)])
