"""What became of single recommendations: their outcome, a correction of it, or the reason why there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambdas.core.labels import Outcomes, compute_outcomes, execution_prices, trade_prices
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.settings import PortfolioSettings

GRACE_SESSIONS = 5
"""So long after its maturity a recommendation waits for prices that are missing today: a source may have failed."""

CORRECTED_BY = 1e-4
"""A net return that differs by more than a basis point was corrected; what is less is the rounding of prices."""


@dataclass(frozen=True)
class Settlement:
    """Outcomes of all decisions of a data set, computed once."""

    dataset: MarketDataset
    outcomes: Outcomes
    entry: FloatArray
    leave: FloatArray
    horizon: int

    @classmethod
    def of(cls, dataset: MarketDataset, portfolio: PortfolioSettings) -> Settlement:
        """Compute the outcome of every decision on every symbol."""
        return cls(
            dataset=dataset,
            outcomes=compute_outcomes(dataset, portfolio),
            entry=trade_prices(dataset.prices),
            leave=execution_prices(dataset.prices),
            horizon=portfolio.horizon,
        )

    def sessions_since_maturity(self, decision: dt.date) -> int | None:
        """Return how many sessions ago the outcome became known; below 0 it is not. None: not in the data."""
        row = self._row(decision)
        return None if row is None else len(self.dataset.sessions) - 1 - (row + 1 + self.horizon)

    def outcome(self, decision: dt.date, symbol: str) -> dict[str, float | bool | None] | None:
        """Return entry, exit, returns and hits of one recommendation.

        A symbol whose prices have ended is settled at its last adjusted close (definitions, section 1). None: it is
        not in the data set, could not be bought at the entry, or has not matured.
        """
        row, column = self._row(decision), self._column(symbol)
        if row is None or column is None or not np.isfinite(self.outcomes.net[row, column]):
            return None
        benchmark = float(self.outcomes.benchmark[row])
        relative = float(self.outcomes.relative_hit[row, column])
        return {
            "entry_price": float(self.entry[row + 1, column]),
            "exit_price": float(self.leave[row + 1 + self.horizon, column]),
            "gross_return": float(self.outcomes.gross[row, column]),
            "net_return": float(self.outcomes.net[row, column]),
            "benchmark_return": benchmark if np.isfinite(benchmark) else None,
            "hit": bool(self.outcomes.absolute_hit[row, column]),
            "relative_hit": bool(relative) if np.isfinite(relative) else None,
        }

    def unresolved(self, decision: dt.date, symbol: str) -> str | None:
        """Return why a matured recommendation will have no outcome, or None if it has one or may have one yet."""
        since = self.sessions_since_maturity(decision)
        if since is None or since < 0 or self.outcome(decision, symbol) is not None:
            return None
        row, column = self._row(decision), self._column(symbol)
        if column is not None and row is not None:
            day = self.dataset.sessions[row + 1].date()
            return f"{symbol} had no price on {day}, so that it could not be bought; nothing was earned or lost."
        if since < GRACE_SESSIONS:
            return None
        return (
            f"{symbol} has not been in the data for {GRACE_SESSIONS} sessions after its maturity: its last price is "
            "not known, and its return is neither a hit nor a miss."
        )

    def _row(self, decision: dt.date) -> int | None:
        day = pd.Timestamp(decision)
        row = int(self.dataset.sessions.searchsorted(day))  # asked for each recommendation: an indexer takes far longer
        return row if row < len(self.dataset.sessions) and self.dataset.sessions[row] == day else None

    def _column(self, symbol: str) -> int | None:
        symbols: Sequence[str] = self.dataset.prices.symbols
        return symbols.index(symbol) if symbol in symbols else None


def was_corrected(recorded: Mapping[str, Any], outcome: Mapping[str, Any]) -> bool:
    """Say whether prices have changed what an outcome was, by more than their rounding, or have made or unmade a hit.

    Examples
    --------
    >>> was_corrected({"net_return": 0.05, "hit": True}, {"net_return": 0.04, "hit": True})
    True
    >>> was_corrected({"net_return": 0.05, "hit": True}, {"net_return": 0.0500001, "hit": True})
    False
    """
    moved = abs(float(recorded["net_return"]) - float(outcome["net_return"])) > CORRECTED_BY
    return moved or bool(recorded["hit"]) != bool(outcome["hit"])
