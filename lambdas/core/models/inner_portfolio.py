"""What scores inside a training part would have earned: the yardstick of tuning and of the combination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.portfolio import cash_rates, simulate_arrays
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.backtest.slippage import impact_rates
from lambdas.core.labels import BASIS_POINT, execution_prices, mark_prices
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.training_data import TrainingData
from lambdas.core.settings import ModelSettings, PortfolioSettings, RecommendationRule


@dataclass(frozen=True)
class InnerPortfolio:
    """Simulates the portfolio of definitions, section 4, on out-of-fold scores; prices are prepared once.

    Scores exist on every `training_stride`-th session only. Between two of them the older ones stay in force, as if
    nobody had looked: predicting every session would cost five times as much and move the result little. The best k
    are bought whatever their level, because the level is calibration's, which is fitted afterwards.

    Nothing later than the last decision's own session is read.
    """

    trade: FloatArray
    mark: FloatArray
    cash_rate: FloatArray
    eligible: BoolArray
    rule: RecommendationRule
    portfolio: PortfolioSettings
    impact: FloatArray | None = None

    @classmethod
    def of(cls, market: MarketView, settings: ModelSettings) -> InnerPortfolio:
        """Prepare the arrays of a market."""
        return cls(
            trade=execution_prices(market.dataset.prices),
            mark=mark_prices(market.dataset.prices),
            cash_rate=cash_rates(market.dataset),
            eligible=market.eligible,
            rule=settings.recommendation.model_copy(update={"min_probability": 0.0}),
            portfolio=settings.portfolio,
            impact=impact_rates(market.dataset.prices, settings.portfolio),
        )

    def excess_returns(self, data: TrainingData, rows: IntArray, score: FloatArray) -> FloatArray:
        """Daily net returns less cash of buying by `score`, from the first to the last decision of the rows.

        Parameters
        ----------
        data : TrainingData
        rows : ndarray of int, shape (n,)
            Rows of `data`, ascending.
        score : ndarray of shape (n,)
            Any real number; higher is bought first.

        Returns
        -------
        ndarray of shape (n_sessions - 1,)
            Empty if the rows are of one date only.
        """
        decisions = data.decisions[rows]
        first, last = int(decisions[0]), int(decisions[-1])
        if first == last:
            return np.empty(0)
        ranked = np.full((last - first + 1, self.eligible.shape[1]), np.nan)
        # Ranks as numbers in (0, 1]: the rule compares probabilities, a score may be any number.
        ranked[decisions - first, data.columns[rows]] = (np.unique(score, return_inverse=True)[1] + 1.0) / len(score)
        dates = np.unique(decisions)
        held = dates[np.searchsorted(dates, np.arange(first, last + 1), side="right") - 1] - first
        span = slice(first, last + 1)
        recommended = recommend(ranked[held], self.eligible[span], self.rule)
        return simulate_arrays(
            self.trade[span],
            self.mark[span],
            recommended,
            0,
            last - first,
            self.portfolio.horizon,
            self.portfolio.cost_bps * BASIS_POINT,
            self.cash_rate[span],
            None if self.impact is None else self.impact[span],
        ).excess_returns
