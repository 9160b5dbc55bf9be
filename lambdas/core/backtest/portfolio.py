"""The portfolio of h overlapping tranches (definitions, section 4), simulated on arrays.

A tranche buys a *basket* in equal parts and holds it untouched for h sessions, so its value is a constant times
``mean over the basket of price(t) / entry price``. The growth of every basket over its h sessions comes from blocked
matrix products, the value of every tranche from a cumulative product over its own rolls; nothing loops over symbols
or tranches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lambdas.core.backtest.slippage import impact_rates, slippage_fraction
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.labels import BASIS_POINT, execution_prices, last_price_session, mark_prices
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset, PricePanel
from lambdas.core.settings import PortfolioSettings

SESSIONS_PER_YEAR = 252
_BLOCK = 16  # rolls per matrix product: the band that is used is 21 of 36 columns wide, and the block stays in cache


@dataclass(frozen=True)
class Portfolio:
    """One simulation, from the close of the first decision session to the close of the last.

    Attributes
    ----------
    first, last : int
        Sessions of the first and of the last decision; arrays below cover both, n = last - first + 1.
    equity : ndarray of shape (n,)
        Sum of the tranches at each close; 1 at the close of `first`.
    invested : ndarray of shape (n,)
        Part of the equity that is in symbols, same unit.
    traded : ndarray of shape (n,)
        Value bought plus value sold at the open of each session; 0 at `first`.
    cost : ndarray of shape (n,)
        What that trading cost, slippage included.
    cash_rate : ndarray of shape (n,)
        Return of cash over each session; 0 at `first`.
    basket_value : ndarray of shape (n - 1,)
        What roll m, at the open of session first+1+m, put into symbols or cash, after cost.
    """

    first: int
    last: int
    horizon: int
    equity: FloatArray
    invested: FloatArray
    traded: FloatArray
    cost: FloatArray
    cash_rate: FloatArray
    basket_value: FloatArray

    @cached_property
    def returns(self) -> FloatArray:
        """Net return of each session after the first, shape (n - 1,)."""
        return self.equity[1:] / self.equity[:-1] - 1.0

    @cached_property
    def excess_returns(self) -> FloatArray:
        """Returns less what cash earned, shape (n - 1,)."""
        return self.returns - self.cash_rate[1:]


def cash_rates(dataset: MarketDataset) -> FloatArray:
    """Return of cash over each session: the three-month yield known at the session before, in percent, / 100 / 252.

    Taken literally: after a session without a quote (a bond-market holiday) cash earns nothing for one session. Nothing
    is carried forward, so that a series that stops is seen as one that stopped.

    Returns
    -------
    ndarray of shape (n_sessions,)
    """
    rates = np.zeros(len(dataset.sessions))
    if dataset.macro is not None and "ust3m" in dataset.macro.columns:
        column = dataset.macro if "date" not in dataset.macro.columns else dataset.macro.set_index("date")
        known = column["ust3m"].reindex(dataset.sessions).to_numpy(dtype=np.float64)
        rates[1:] = known[:-1] / 100.0 / SESSIONS_PER_YEAR
    return np.nan_to_num(rates, nan=0.0)


def simulate(
    dataset: MarketDataset, recommended: BoolArray, first: int, last: int, settings: PortfolioSettings
) -> Portfolio:
    """Simulate the recommendations of the decisions from session `first` to session `last`.

    Parameters
    ----------
    dataset : MarketDataset
    recommended : ndarray of bool, shape (n_sessions, n_symbols)
    first, last : int
        Sessions of the first and of the last decision. The last decision is not traded: its entry lies beyond.
    settings : PortfolioSettings

    Raises
    ------
    InvalidPredictionsError
        If a recommended symbol has never had a price when it would be bought.
    """
    trade = execution_prices(dataset.prices)
    unpriced = recommended[first:last] & np.isnan(trade[first + 1 : last + 1])
    if unpriced.any():
        i, j = np.argwhere(unpriced)[0]
        raise InvalidPredictionsError(
            f"predictions: {dataset.prices.symbols[j]} is recommended on {dataset.sessions[first + i].date()}, "
            "but has no price up to the open of the next session; remove the row"
        )
    return simulate_arrays(
        trade,
        mark_prices(dataset.prices),
        recommended,
        first,
        last,
        settings.horizon,
        settings.cost_bps * BASIS_POINT,
        cash_rates(dataset),
        impact_rates(dataset.prices, settings),
    )


def simulate_arrays(
    trade: FloatArray,
    mark: FloatArray,
    recommended: BoolArray,
    first: int,
    last: int,
    horizon: int,
    cost: float,
    cash_rate: FloatArray | None = None,
    impact: FloatArray | None = None,
) -> Portfolio:
    """Simulate on arrays, for whoever simulates often; `simulate` checks and prepares them.

    Parameters
    ----------
    trade, mark : ndarray of shape (n_sessions, n_symbols)
        `execution_prices` and `mark_prices`: finite wherever a recommended symbol is bought or held.
    recommended : ndarray of bool, shape (n_sessions, n_symbols)
    first, last : int
        Sessions of the first and of the last decision, ``0 <= first < last < n_sessions``.
    horizon : int
        Number of tranches, and sessions a tranche is held.
    cost : float
        Cost of a trade per side, a fraction.
    cash_rate : ndarray of shape (n_sessions,), optional
        Return of cash over each session, from its open to its close; 0 if not given.
    impact : ndarray of shape (n_sessions, n_symbols), optional
        `impact_rates`; no slippage if not given. The capital is taken to stay what it was at the start.

    Raises
    ------
    ValueError
        If there is no session to simulate.
    """
    if not 0 <= first < last < len(trade):
        raise ValueError(f"first {first} and last {last} must be two of the {len(trade)} sessions, in this order")
    # Row m of the prices is session first+1+m, the one at whose open roll m trades.
    chosen = np.ascontiguousarray(recommended[first:last])
    opens, closes = trade[first + 1 : last + 1], mark[first + 1 : last + 1]
    used = np.flatnonzero(chosen.any(axis=0))
    if 2 * used.size < chosen.shape[1]:  # else copying the columns costs more than reading those that are not used
        chosen, opens, closes = chosen[:, used], opens[:, used], closes[:, used]
    closes = np.where(np.isnan(closes), 0.0, closes)  # of symbols that are not held: 0 times NaN would be NaN
    rates = np.zeros(last - first) if cash_rate is None else cash_rate[first + 1 : last + 1]

    picks = _picks(chosen, opens)
    in_cash: BoolArray = np.logical_not(chosen.any(axis=1))
    growth, growth_to_roll = _basket_growth(picks, in_cash, opens, closes, rates, horizon)
    traded_fraction = _traded_fraction(chosen, picks, in_cash, opens, growth_to_roll, horizon)

    n_rolls = last - first
    previous = previous_roll(n_rolls, horizon)
    paid_fraction = cost * traded_fraction
    if impact is not None:
        rates_paid = impact[first + 1 : last + 1][:, used if chosen.shape[1] == used.size else slice(None)]
        before = np.where(chosen[previous], picks.units[previous] * opens, 0.0) / growth_to_roll[:, np.newaxis]
        paid_fraction = paid_fraction + slippage_fraction(chosen, before, rates_paid, horizon)
    bought = _value_after_rolls(growth_to_roll, 1.0 - paid_fraction, horizon)
    value_before = np.where(previous >= 0, bought[np.maximum(previous, 0)] * growth_to_roll, 1.0 / horizon)

    equity, invested = np.ones(n_rolls + 1), np.zeros(n_rolls + 1)
    equity[1:] = _sum_of_tranches(bought, growth, horizon)
    invested[1:] = _sum_of_tranches(np.where(in_cash, 0.0, bought), growth, horizon)
    traded = np.zeros(n_rolls + 1)
    traded[1:] = traded_fraction * value_before
    paid = np.zeros(n_rolls + 1)
    paid[1:] = paid_fraction * value_before
    for trading in (traded, paid):
        trading[1] *= horizon  # at the first open every tranche buys
    return Portfolio(
        first=first,
        last=last,
        horizon=horizon,
        equity=equity,
        invested=invested,
        traded=traded,
        cost=paid,
        cash_rate=np.concatenate([[0.0], rates]),
        basket_value=bought,
    )


@dataclass(frozen=True)
class _Picks:
    """What every roll buys: `roll` and `symbol` of each pick in order, and `units`, shape (n_rolls, n_symbols).

    Units are those that a tranche of value 1 buys; most are 0, so sums over picks are not taken over the array.
    """

    roll: IntArray
    symbol: IntArray
    units_of_pick: FloatArray
    units: FloatArray


def _picks(chosen: BoolArray, opens: FloatArray) -> _Picks:
    roll, symbol = _where(chosen)
    count = np.bincount(roll, minlength=len(chosen))
    units_of_pick = 1.0 / (count[roll] * opens[roll, symbol])
    units = np.zeros(chosen.shape)
    units[roll, symbol] = units_of_pick
    return _Picks(roll, symbol, units_of_pick, units)


def _where(chosen: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of what is chosen; `np.nonzero` takes twice as long for two dimensions."""
    row, column = np.divmod(np.flatnonzero(chosen), max(chosen.shape[1], 1))
    return row, column


def previous_roll(n_rolls: int, horizon: int) -> IntArray:
    """Roll whose basket is sold at roll m: m - h, before that roll 0, which all tranches start with; -1 for m = 0."""
    previous = np.maximum(np.arange(n_rolls) - horizon, 0)
    previous[0] = -1
    return previous


def _basket_growth(
    picks: _Picks, in_cash: BoolArray, opens: FloatArray, closes: FloatArray, rates: FloatArray, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Value of each basket, as a multiple of what was put in.

    Returns
    -------
    growth : ndarray of shape (n_rolls, horizon)
        Column d: at the close of the d-th session after the roll's own.
    growth_to_roll : ndarray of shape (n_rolls,)
        Of the basket that is sold at roll m, at the open of that roll; 1 for the first roll.
    """
    n_rolls, units = len(opens), picks.units
    growth = np.ones((n_rolls, horizon))
    growth_to_roll = np.ones(n_rolls)
    rows = np.arange(n_rolls)
    for begin in range(0, n_rolls, _BLOCK):
        block = slice(begin, min(begin + _BLOCK, n_rolls))
        product = units[block] @ closes[begin : block.stop + horizon - 1].T
        days = np.minimum(rows[: block.stop - begin, np.newaxis] + np.arange(horizon), product.shape[1] - 1)
        growth[block] = np.take_along_axis(product, days, axis=1)
    cash_index = np.concatenate([[1.0], np.cumprod(1.0 + rates)])
    cash = rows[in_cash]
    growth[cash] = cash_index[np.minimum(cash[:, np.newaxis] + np.arange(1, horizon + 1), n_rolls)]
    growth[cash] /= cash_index[cash, np.newaxis]

    # The basket of roll 0 is sold by rolls 1 to h, that of any other roll m by roll m + h.
    first_basket = picks.symbol[: np.searchsorted(picks.roll, 1)]
    growth_to_roll[1 : horizon + 1] = opens[1 : horizon + 1, first_basket] @ units[0, first_basket]
    sold = slice(len(first_basket), np.searchsorted(picks.roll, n_rolls - horizon))
    if len(first_basket) < sold.stop:
        at_roll = picks.roll[sold] + horizon
        value = picks.units_of_pick[sold] * opens[at_roll, picks.symbol[sold]]
        growth_to_roll[horizon + 1 :] = np.bincount(at_roll, value, n_rolls)[horizon + 1 :]
    previous = previous_roll(n_rolls, horizon)[1:]
    growth_to_roll[1:][in_cash[previous]] = (cash_index[1:-1] / cash_index[previous])[in_cash[previous]]
    return growth, growth_to_roll


def _traded_fraction(
    chosen: BoolArray, picks: _Picks, in_cash: BoolArray, opens: FloatArray, growth: FloatArray, horizon: int
) -> FloatArray:
    """Sum over symbols of |target - held| as a fraction of the tranche's value before the roll, shape (n_rolls,).

    All that is bought plus all that is sold, less twice what is in both: sum |a - b| = sum a + sum b - 2 sum min(a, b).
    """
    n_rolls = len(chosen)
    previous = previous_roll(n_rolls, horizon)
    sold = np.where(previous >= 0, ~in_cash[np.maximum(previous, 0)], False)
    fraction = (~in_cash).astype(np.float64) + sold
    roll, symbol = _where(chosen[1:] & chosen[previous[1:]])
    roll += 1
    held = picks.units[previous[roll], symbol] * opens[roll, symbol] / growth[roll]
    target = 1.0 / np.bincount(picks.roll, minlength=n_rolls)[roll]
    kept = np.bincount(roll, weights=np.minimum(held, target), minlength=n_rolls)
    # A basket that is bought again unchanged may leave a rounding error below zero.
    return np.maximum(fraction - 2.0 * kept, 0.0)


def _value_after_rolls(growth_to_roll: FloatArray, kept_of_roll: FloatArray, horizon: int) -> FloatArray:
    """Value that each roll puts into its basket, shape (n_rolls,): a cumulative product down each tranche's rolls."""
    n_rolls = len(growth_to_roll)
    n_rounds = -(-n_rolls // horizon)
    factors = np.ones(n_rounds * horizon)
    factors[:n_rolls] = growth_to_roll * kept_of_roll
    # Tranches 1 .. h-1 hold the basket of roll 0 before their own first roll, and paid its cost too.
    factors[1:horizon] *= kept_of_roll[0]
    values = np.cumprod(factors.reshape(n_rounds, horizon), axis=0) / horizon
    return values.reshape(-1)[:n_rolls]


def _sum_of_tranches(bought: FloatArray, growth: FloatArray, horizon: int) -> FloatArray:
    """Value of all tranches at the close of each roll's session, shape (n_rolls,)."""
    n_rolls = len(bought)
    values = bought[:, np.newaxis] * growth
    total = np.zeros(n_rolls)
    for age in range(min(horizon, n_rolls)):
        total[age:] += values[: n_rolls - age, age]
    # Until its first own roll, tranche j = 1 .. h-1 holds a copy of the basket of roll 0.
    waiting = min(horizon, n_rolls)
    total[:waiting] += np.arange(horizon - 1, horizon - 1 - waiting, -1) * values[0, :waiting]
    return total


def delisted_held(
    panel: PricePanel, recommended: BoolArray, portfolio: Portfolio, window: tuple[int, int] | None = None
) -> int:
    """Count the symbols that some tranche still held at a close after their last price.

    `window` limits the closes to those after its first session, up to and including its last.
    """
    first, last = portfolio.first, portfolio.last
    after, until = window or (first, last)
    ends = last_price_session(panel)
    count = 0
    for j in np.flatnonzero(ends < until):
        rolls = np.flatnonzero(recommended[first:last, j])
        # Bought at the open of first+1+m and held until its next roll; tranches of roll 0 for up to h sessions too.
        earliest = np.maximum(first + 1 + rolls, max(after, ends[j]) + 1)
        count += bool((earliest <= np.minimum(first + rolls + portfolio.horizon, until)).any())
    return count
