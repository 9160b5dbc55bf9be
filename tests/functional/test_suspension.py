"""A champion that failed its live gate, where the deployment says that such a one publishes nothing."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from in_memory_account import NAMES, Account

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit" / "backtest"))

from markets import random_dataset

from lambdas.backtesting_engine import publishing
from lambdas.contracts.backtesting import SettleRequest
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings

CHAMPION, OTHER = "v20260101-000000000001", "v20260101-000000000002"
SETTINGS = {"portfolio": {"horizon": 5, "min_history_sessions": 2}}


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    return random_dataset(np.random.default_rng(3), 60, 12, defects=False)


@pytest.fixture
def publish(account: Account, dataset: MarketDataset, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Publish the newest session with a model; the data is never late."""
    newest = pd.DataFrame(
        {"date": dataset.sessions[-1], "symbol": dataset.prices.symbols, "probability": np.linspace(0.5, 0.7, 12)}
    )
    monkeypatch.setattr(publishing, "load_predictions", lambda stores, uri: newest)
    monkeypatch.setattr(publishing, "sessions_late", lambda last, as_of: 0)
    monkeypatch.setattr(publishing, "load_quality", lambda stores, uri: type("Quality", (), {"as_of": None}))

    def with_settings(version: str = CHAMPION, run_id: str = "day", **live: bool) -> publishing.Published:
        account.configure(model=ModelSettings.model_validate(SETTINGS | {"live": live}))
        predictions = f"s3://{NAMES['performance_bucket']}/predictions/x.parquet"
        request = SettleRequest(
            action="settle",
            run_id=run_id,
            dataset_uri=f"s3://{NAMES['datasets_bucket']}/datasets/x-1",
            version=version,
            predictions_uri=predictions,
            shadow=None,
            shadow_predictions_uri=None,
        )
        return publishing.publish(request, dataset, account.stores)

    return with_settings


def judged(account: Account, session: dt.date, version: str, verdict: str) -> None:
    account.stores.analytics.record_performance(
        session.isoformat(), version, {"gate": {"verdict": verdict}, "champion": version}
    )
    account.stores.analytics.record_performance(session.isoformat(), "published", {"gate": None, "champion": version})


def day(dataset: MarketDataset, back: int) -> dt.date:
    return dataset.sessions[-1 - back].date()


def test_by_default_it_is_announced_and_published_on(account: Account, dataset: MarketDataset, publish: Any) -> None:
    judged(account, day(dataset, 1), CHAMPION, "FAIL")
    assert publish().n_published == 5


def test_where_it_is_asked_for_nothing_is_published(account: Account, dataset: MarketDataset, publish: Any) -> None:
    judged(account, day(dataset, 1), CHAMPION, "FAIL")
    told = publish(publish_after_failure=False)
    assert told.n_published == 0
    assert f"failed its live gate on the session of {day(dataset, 1)}" in told.explanation
    assert account.stores.analytics.live_sessions().sessions == ()


@pytest.mark.parametrize("verdict", ["PASS", "INSUFFICIENT_EVIDENCE"])
def test_the_last_verdict_counts(account: Account, dataset: MarketDataset, publish: Any, verdict: str) -> None:
    judged(account, day(dataset, 2), CHAMPION, "FAIL")
    judged(account, day(dataset, 1), CHAMPION, verdict)
    assert publish(publish_after_failure=False).n_published == 5


def test_another_champion_begins_anew(account: Account, dataset: MarketDataset, publish: Any) -> None:
    judged(account, day(dataset, 1), CHAMPION, "FAIL")
    assert publish(OTHER, publish_after_failure=False).n_published == 5


def test_a_repeated_step_says_the_same(account: Account, dataset: MarketDataset, publish: Any) -> None:
    """The first attempt published and then recorded that the gate fails."""
    first = publish(publish_after_failure=False)
    judged(account, day(dataset, 0), CHAMPION, "FAIL")
    assert publish(publish_after_failure=False) == first
