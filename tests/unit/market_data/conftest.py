"""A small data set folder that tests may break."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lambdas.core.market_data.calendar import sessions_in

FIRST, LAST = dt.date(2019, 1, 2), dt.date(2019, 1, 31)


def bars(symbols: list[str], first: dt.date = FIRST, last: dt.date = LAST) -> pd.DataFrame:
    rows = [
        {
            "date": session,
            "symbol": symbol,
            "open": 10.0 + number,
            "high": 14.0 + number,
            "low": 9.0 + number,
            "close": 11.0 + number + 0.1 * row,
            "adj_close": 10.5 + number + 0.1 * row,
            "volume": 1000 + row,
        }
        for number, symbol in enumerate(symbols)
        for row, session in enumerate(sessions_in(first, last))
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """Tables of a complete folder by name: AAA, BBB and CCC in January 2019."""
    sessions = sessions_in(FIRST, LAST)
    return {
        "prices": bars(["AAA", "BBB", "CCC"]),
        "benchmarks": bars(["IWM", "QQQ", "SPY"]),
        "macro": pd.DataFrame({"date": sessions, "vix": 20.0, "ust3m": 2.4, "ust10y": 2.7, "dxy": 95.5}),
        "fundamentals": pd.DataFrame(
            {
                "symbol": ["AAA", "BBB"],
                "period_end": pd.to_datetime(["2018-11-30", "2018-12-31"]),
                "filed": pd.to_datetime(["2019-01-22", None]),
                "announced": pd.to_datetime(["2019-01-10", "2019-01-24"]),
                "release_time": ["post", "pre"],
                "eps": [1.5, 0.4],
                "eps_est": [1.4, None],
                "revenue": [100.0, None],
            }
        ),
        "securities": pd.DataFrame({"symbol": ["AAA", "BBB", "CCC"], "sector": ["Energy", "Energy", None]}),
        "membership": pd.DataFrame(
            {"symbol": ["AAA", "ZZZ"], "start": pd.to_datetime(["2010-01-01"] * 2), "end": [pd.NaT, pd.NaT]}
        ),
    }


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[[dict[str, pd.DataFrame]], Path]:
    def write(tables: dict[str, pd.DataFrame]) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, frame in tables.items():
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        return folder

    return write
