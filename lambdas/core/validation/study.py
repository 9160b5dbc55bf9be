"""The candidate in its market: everything that the gates do not read and a person should."""

from __future__ import annotations

from lambdas.core.backtest.run import Backtest
from lambdas.core.validation.market import compare_with_market
from lambdas.core.validation.paired import naive_rivals
from lambdas.core.validation.regime import market_regime
from lambdas.core.validation.standing import sector_standings, symbol_standings
from lambdas.core.validation.values import MarketRegime, MarketStudy, PairedDifference


def study_market(backtest: Backtest, holdout: int) -> MarketStudy:
    """Study a simulation of walk-forward and holdout.

    Parameters
    ----------
    backtest : Backtest
    holdout : int
        Session of the first decision of the holdout.
    """
    rivals = naive_rivals(backtest)
    regime = market_regime(backtest, holdout)
    return MarketStudy(
        walk_forward_and_holdout=compare_with_market(backtest, backtest.first, backtest.last),
        holdout=compare_with_market(backtest, holdout, backtest.last),
        sectors=sector_standings(backtest, backtest.first, backtest.last),
        recommended=symbol_standings(backtest),
        rivals=rivals,
        regime=regime,
        sentences=sentences(rivals, regime),
    )


def sentences(rivals: tuple[PairedDifference, ...], regime: MarketRegime) -> tuple[str, ...]:
    """Say what a reader should not have to look for."""
    said = []
    for rival in rivals:
        difference = rival.active_return
        if difference.value is None or difference.lower is None:
            said.append(f"There are too few sessions to compare it with {rival.rival}.")
        elif rival.better:
            said.append(f"It beats {rival.rival}, by {difference.value:+.1%} a year, at least {difference.lower:+.1%}.")
        elif not rival.not_worse:
            said.append(f"It is worse than {rival.rival}, which nobody has to tune: {difference.value:+.1%} a year.")
        else:
            said.append(
                f"It is not shown to beat {rival.rival}, which nobody has to tune: {difference.value:+.1%} a year, "
                f"between {difference.lower:+.1%} and {difference.upper:+.1%}."
            )
    return (*said, regime.sentence)
