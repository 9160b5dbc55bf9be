"""The tranche portfolio's trades through zipline; run by the environment of zipline, prints one JSON document.

zipline fills an order at the close of the next bar, so a session is two bars: its open and its close, on a calendar
without holidays. It trades whole shares: of a capital of a million million, the rounding is lost beyond the digits that
are compared. Orders are given ready made; what each costs is taken by a commission model.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd
from exchange_calendars import get_calendar
from sqlalchemy import create_engine
from zipline.algorithm import TradingAlgorithm
from zipline.api import order, set_commission, set_slippage
from zipline.assets import AssetDBWriter, AssetFinder
from zipline.data.data_portal import DataPortal
from zipline.data.in_memory_daily_bars import InMemoryDailyBarReader
from zipline.finance.commission import EquityCommissionModel
from zipline.finance.metrics.metric import SimpleLedgerField
from zipline.finance.slippage import NoSlippage
from zipline.finance.trading import SimulationParameters
from zipline.protocol import BarData

LARGE = 1e6
"""What the given capital is multiplied by, so that whole shares are fine enough."""


class Bars(InMemoryDailyBarReader):
    """zipline's reader of frames, with what fails in zipline 3.2.1 mended: its last bar, and single values."""

    @property
    def last_available_dt(self) -> pd.Timestamp:
        """Last bar."""
        return self.sessions[-1]

    def get_value(self, sid: int, dt: pd.Timestamp, field: str) -> float:
        """Value of a bar."""
        return self._values[field][self._sessions.get_loc(dt), int(sid)]

    def get_last_traded_dt(self, asset: object, dt: pd.Timestamp) -> pd.Timestamp:
        """Every asset trades on every bar."""
        return dt


class GivenFees(EquityCommissionModel):
    """Charge each order what was worked out for it; orders are filled before the next bar is handled."""

    def __init__(self) -> None:
        self.of_symbol = np.empty(0)

    def calculate(self, order: object, transaction: object) -> float:
        """Fee of one fill; an order is filled at once."""
        return float(self.of_symbol[transaction.asset.sid])


def main() -> None:
    """Simulate the orders, as often as is asked for."""
    given, answer, repetitions = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    capital, target = float(given["capital"]) * LARGE, np.round(given["target"] * LARGE)
    change, given_fees = np.diff(target, axis=0, prepend=0.0), given["fees"] * LARGE
    n_sessions, n_symbols = target.shape
    bars = pd.date_range("2000-01-03", periods=2 * n_sessions)
    calendar = get_calendar("24/7", start="2000-01-01", end=bars[-1] + pd.Timedelta(days=10))
    prices = np.stack([given["trade"], given["mark"]], axis=1).reshape(2 * n_sessions, n_symbols)
    # A day of this calendar closes at the midnight after it, and that is where zipline reads its prices.
    frame = pd.DataFrame(prices, index=bars + pd.Timedelta(days=1), columns=range(n_symbols))
    full = frame.reindex(calendar.sessions).ffill().bfill()
    frames = dict.fromkeys(("open", "high", "low", "close"), full) | {"volume": full * 0.0 + 1e15}
    engine = create_engine("sqlite://")
    AssetDBWriter(engine).write(
        equities=pd.DataFrame(
            {
                "symbol": [f"S{j:03d}" for j in range(n_symbols)],
                "start_date": calendar.sessions[0],
                "end_date": calendar.sessions[-1],
                "exchange": "ALWAYS",
            },
            index=range(n_symbols),
        ),
        exchanges=pd.DataFrame({"exchange": ["ALWAYS"], "canonical_name": ["ALWAYS"], "country_code": ["US"]}),
    )
    finder = AssetFinder(engine)
    assets = finder.retrieve_all(range(n_symbols))
    commission = GivenFees()

    def initialize(context: object) -> None:
        context.bar = -1
        set_slippage(NoSlippage())
        set_commission(commission)

    def handle_data(context: object, _: BarData) -> None:
        context.bar += 1
        session = (context.bar + 1) // 2  # on the bar before its open
        if context.bar % 2 == 1 and session < n_sessions:
            commission.of_symbol = given_fees[session]
            for sid in np.flatnonzero(change[session]):
                order(assets[sid], change[session, sid])

    def simulate() -> pd.DataFrame:
        portal = DataPortal(
            finder,
            calendar,
            first_trading_day=calendar.sessions[0],
            equity_daily_reader=Bars(frames, calendar, pd.Series("USD", index=full.columns), verify_indices=False),
        )
        return TradingAlgorithm(
            SimulationParameters(bars[0], bars[-1], calendar, capital_base=capital),
            data_portal=portal,
            initialize=initialize,
            handle_data=handle_data,
            trading_calendar=calendar,
            metrics_set={SimpleLedgerField("portfolio.portfolio_value", "portfolio_value")},
            benchmark_returns=pd.Series(0.0, index=bars),
        ).run()

    cpu, wall = [], []
    for _ in range(repetitions):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        done = simulate()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    equity = done["portfolio_value"].to_numpy(dtype=float)[1::2] / LARGE
    np.savez(answer, equity=equity)
    from zipline import __version__

    print(json.dumps({"version": __version__, "cpu": min(cpu), "wall": min(wall), "repetitions": repetitions}))


if __name__ == "__main__":
    main()
