"""What the models see of a data set. Imports no learner library."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.features import FeatureSet
from lambdas.core.labels import Outcomes, compute_outcomes, eligible, market_betas, residual_ranks, sector_codes
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset
from lambdas.core.settings import PortfolioSettings


@dataclass(frozen=True)
class MarketView:
    """A data set, its features, the outcome of every decision and who may be recommended.

    All arrays share sessions and symbols. Outcomes reach to the end of the data: which of them a fit may see is
    decided by the fold it is for, never here.
    """

    dataset: MarketDataset
    features: FeatureSet
    outcomes: Outcomes
    eligible: BoolArray

    def residual_ranks(self, dates: IntArray) -> FloatArray:
        """`labels.residual_ranks` of some decisions (session numbers), shape (n_dates, n_symbols)."""
        return residual_ranks(
            self.outcomes.net[dates],
            self.outcomes.benchmark[dates],
            market_betas(self.dataset, dates),
            sector_codes(self.dataset),
            self.eligible[dates],
        )


def market_view(dataset: MarketDataset, features: FeatureSet, portfolio: PortfolioSettings) -> MarketView:
    """Join a data set with its features.

    Raises
    ------
    InvalidDatasetError
        If the features were built for other sessions or symbols.
    """
    if not dataset.sessions.equals(features.sessions) or dataset.prices.symbols != tuple(features.symbols):
        raise InvalidDatasetError(
            f"features: built for {len(features.sessions)} sessions and {len(features.symbols)} symbols, the data set "
            f"has {len(dataset.sessions)} and {len(dataset.prices.symbols)} or others; build the features again"
        )
    return MarketView(
        dataset=dataset,
        features=features,
        outcomes=compute_outcomes(dataset, portfolio),
        eligible=eligible(dataset, portfolio.min_history_sessions),
    )
