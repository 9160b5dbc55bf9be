"""The measurement of drift alarms can fail: changes change what they say, and what rang is counted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.controls import drift_alarms
from benchmarks.controls.drift_alarms import CHANGE, Life, alarms, looks_of, table
from lambdas.core.features import FeatureSet
from lambdas.core.market_data.sources import SimulatedSource


def look(session: str, share: float, score: float | None = 0.1) -> dict[str, Any]:
    return {"session": session, "drifted_share": share, "score_psi": score}


def test_alarms_are_counted_by_what_rang_and_timed_from_the_change() -> None:
    record = [look("2018-05-01", 0.51), look("2018-06-11", 0.5), look("2018-06-21", 0.2, 1.01), look("2018-07-01", 0.9)]
    assert alarms(record) == {"looks": 4, "by_inputs": 2, "by_scores": 1, "first_after_days": 0}
    assert alarms(record, since=CHANGE)["first_after_days"] == 20  # what rang before the change did not find it


def test_the_table_counts_years_and_looks() -> None:
    quiet, loud = [look("2018-05-01", 0.1), look("2018-06-08", 0.2)], [look("2018-05-01", 0.6), look("2018-06-08", 0.7)]
    markets = {"nothing changes": [quiet, loud], drift_alarms.REAL: [[look("2018-05-01", 0.3, None)]]}
    header, _, null, real = table({"markets": markets}).splitlines()
    assert len(header.split("|")) == len(null.split("|")) == len(real.split("|"))
    assert "1 of 2: 50.0" in null
    assert "| 50.0 / 0.0 | 0.70 / 0.10 | - |" in null
    assert "| - | 0.0 / - | 0.30 / - | - |" in real


@pytest.fixture(scope="module")
def source() -> SimulatedSource:
    return SimulatedSource(
        seed=1, n_symbols=12, signal_rank_ic=0.0, first=dt.date(2017, 1, 3), last=dt.date(2019, 4, 1)
    )


def test_volatility_doubles_on_its_day_and_the_path_goes_on(source: SimulatedSource) -> None:
    before = source.market().dataset
    after = drift_alarms.with_volatility(before, 2.0)
    day = int(before.sessions.searchsorted(pd.Timestamp(CHANGE)))
    plain, louder = (np.diff(np.log(one.prices.adj_close), axis=0) for one in (before, after))
    np.testing.assert_allclose(louder[: day - 1], plain[: day - 1])
    np.testing.assert_allclose(louder[day - 1 :], 2.0 * plain[day - 1 :], atol=1e-12)
    alive = np.isfinite(after.prices.close)
    assert (after.prices.high[alive] >= after.prices.low[alive]).all()


def test_only_later_reports_are_in_thousands(source: SimulatedSource) -> None:
    before = source.market().dataset
    after = drift_alarms.with_reports_in_thousands(before)
    assert before.fundamentals is not None
    assert after.fundamentals is not None
    late = before.fundamentals["filed"] >= pd.Timestamp(CHANGE)
    assert late.any()
    assert (~late).any()
    for name, factor in ((~late, 1.0), (late, 1e-3)):
        np.testing.assert_allclose(
            after.fundamentals.loc[name, "revenue"], factor * before.fundamentals.loc[name, "revenue"]
        )


def test_a_look_sees_what_moved_and_only_of_the_newest_sessions() -> None:
    random = np.random.default_rng(0)
    sessions = pd.bdate_range("2010-01-04", periods=400)
    values = random.normal(size=(2, 400, 30))
    values[0, 390:] += 3.0  # within the last look only
    symbols = tuple(f"S{n:02d}" for n in range(30))
    features = FeatureSet(sessions, symbols, ("a", "b"), {"a": "x", "b": "x"}, np.moveaxis(values, 0, -1))
    life = Life(np.arange(200), np.arange(200, 250), np.arange(250, 400))
    record = looks_of(features, np.ones((400, 30), dtype=bool), life, None)
    assert [one["drifted_share"] for one in record[:-4]] == [0.0] * (len(record) - 4)
    assert record[-1]["drifted_share"] == 0.5
