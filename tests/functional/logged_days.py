"""Both machines, good days and bad ones, in a process of their own: what it prints is what CloudWatch would get.

`python logged_days.py FACTS [planted]`: the market that was used, and what was made of it, is written to the file
FACTS. `planted` puts every leak of `PLANTS` into the handlers first, and lives through the good days only.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "replay"), str(HERE.parents[1])]

from in_memory_account import Account, call, deployed  # noqa: E402 - as pytest finds it
from replay_bodies import Market  # noqa: E402
from replay_server import ReplayServer, always  # noqa: E402
from test_pipeline import SMALL, market  # noqa: E402

from cli import in_process as machine  # noqa: E402
from lambdas.advanced_model_tuning_service.handler import handler as service  # noqa: E402
from lambdas.core.market_data.dataset import read_dataset, write_dataset  # noqa: E402
from lambdas.fundamental_data_enrichment import collecting  # noqa: E402
from lambdas.fundamental_data_enrichment.handler import handler as enrichment  # noqa: E402
from lambdas.runtime.observability import logger  # noqa: E402
from lambdas.runtime.step import Step  # noqa: E402
from lambdas.runtime.stores import Stores  # noqa: E402

SECRET, TOKEN, CONTACT = "sEcReTkEyOfTheRole", "sEsSiOnToKeN", "somebody@secret.example"
HANDED_IN = "hunter2correcthorse"
"""What an execution input brings in places that no contract knows."""

SCALE = 9_128_300.0
"""Prices become seven digits and more before the point, which nothing else in a log line has."""

SETTINGS = SMALL.model_copy(
    update={
        "walk_forward": SMALL.walk_forward.model_copy(update={"lookback_days": 120}),
        "gates": SMALL.gates.model_copy(update={"hit_rate": 0.5}),
    }
)


def main(facts: Path, *, planted: bool) -> None:
    """Live through the days."""
    with pytest.MonkeyPatch.context() as patch, deployed(patch, SECRET) as account, TemporaryDirectory() as scratch:
        patch.setenv("AWS_SESSION_TOKEN", TOKEN)
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
        account.configure(SETTINGS)
        for plant in PLANTS if planted else ():
            plant(patch)
        folder = recognisable(market(Path(scratch) / "data", 0.6), Path(scratch) / "scaled")
        data = account.upload(folder, "market")
        days = Days(account)
        good_days(days, data)
        published = recommendations(account)
        if not planted:
            bad_days(days, data, folder, Path(scratch))
            live_days(account, patch)
        write_facts(facts, folder, published)


def recognisable(folder: Path, target: Path) -> Path:
    """Return the same market at prices that can be recognised."""
    for name in ("prices", "benchmarks"):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        columns = [column for column in ("open", "high", "low", "close", "adj_close") if column in frame]
        frame[columns] *= SCALE
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    write_dataset(read_dataset(folder), target)
    return target


@dataclass
class Days:
    """Runs a day apart; what fails is ended as the machine ends it."""

    account: Account
    number: int = 0

    def live(self, run: Callable[..., Any], name: str, request: Any) -> None:
        self.number += 1
        try:
            run(name, request, started_at=machine.STARTED + dt.timedelta(days=self.number))
        except Exception as error:
            event = {"action": "fail", "run_id": name, "workflow": "advanced-model-tuning", "failed_step": "A step"}
            call(service, {**event, "error": type(error).__name__, "cause": json.dumps({"errorMessage": str(error)})})


def good_days(days: Days, data: str) -> None:
    """A champion, its recommendations, their settlement, a rollback that is refused."""
    days.live(machine.tune, "week-1", {"data": data, "as_of": "2016-10-31"})
    assert days.account.stores.registry.champion(), "nothing was promoted, so nothing is published"
    for day in ("2016-11-01", "2016-11-10"):
        days.live(machine.assess, f"day-{day}", {"data": data, "as_of": day})
    days.live(machine.tune, "back", {"rollback_to": "previous"})


def bad_days(days: Days, data: str, folder: Path, scratch: Path) -> None:
    """Inputs and data that are refused, an altered champion, a record that cannot be read."""
    for number, request in enumerate(
        ({"password": HANDED_IN}, {"data": {"password": HANDED_IN}, "as_of": 7}, {"gates": {"hit_rate": HANDED_IN}})
    ):
        days.live(machine.tune, f"input-{number}", request)
    with suppress(Exception):
        call(service, {"action": "plan", "run_id": "event", "token": HANDED_IN})
    for name, change in BAD_PRICES.items():
        altered = scratch / name
        altered.mkdir()
        for file in folder.iterdir():
            (altered / file.name).write_bytes(file.read_bytes())
        change(pd.read_parquet(altered / "prices.parquet")).to_parquet(altered / "prices.parquet", index=False)
        days.live(machine.tune, f"prices-{name}", {"data": days.account.upload(altered, name), "as_of": "2016-10-31"})
    stores = days.account.stores
    uri = f"{stores.models.uri(str(stores.registry.champion()))}/ensemble.json"
    whole = stores.objects.read(uri)
    stores.objects.write(uri, whole + b" ")
    days.live(machine.assess, "altered", {"data": data, "as_of": "2016-11-14"})
    days.live(machine.tune, "unscorable", {"data": data, "as_of": "2016-11-14"})
    stores.objects.write(uri, whole)
    stores.analytics_table.put({"PK": "LIVE", "SK": "2016-11-02#v20161031-000000000000", "symbols": "none"})
    days.live(machine.assess, "record", {"data": data, "as_of": "2016-11-15"})


BAD_PRICES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "negative": lambda frame: frame.assign(close=frame["close"].where(frame.index % 9 != 4, -1.0)),
    "text": lambda frame: frame.assign(close=frame["close"].astype(str) + " USD"),
    "twice": lambda frame: pd.concat([frame, frame.head(50)]),
    "no-close": lambda frame: frame.drop(columns="adj_close"),
    "few": lambda frame: frame.groupby("symbol").head(40),
}


def live_days(account: Account, patch: pytest.MonkeyPatch) -> None:
    """Collect from a live source that answers, that fails, and that answers nonsense."""
    patch.setattr("lambdas.core.market_data.sources.live_requests.time.sleep", lambda _seconds: None)
    uploaded = f"s3://{account.stores.environment.datasets_bucket}/uploads/market"
    source = Market(read_dataset(account.stores.datasets.folder(uploaded)))
    account.configure(SETTINGS, data_source="yahoo", edgar_contact=f"Example {CONTACT}")
    real = collecting.live_access
    event = {"action": "collect", "run_id": "live", "data": "yahoo", "as_of": "2016-12-28"}
    event |= {"lookback_days": 200, "benchmark_period_days": 90, "symbols": list(source.symbols[:2])}
    with ReplayServer(source).running() as server:
        patch.setattr(
            collecting, "live_access", lambda stores: dataclasses.replace(real(stores), gateway=server.address)
        )
        for number, kind in enumerate((None, "500", "429", "401", "html")):
            if kind:
                server.fault = always(kind, "")
            with suppress(Exception):
                call(enrichment, {**event, "run_id": f"live-{number}", "symbols": list(source.symbols[number:][:2])})


def recommendations(account: Account) -> list[dict[str, Any]]:
    """Return what was published: symbol and probability."""
    rows = account.stores.analytics.live_sessions().sessions
    return [{"symbol": s, "probability": p} for row in rows for s, p in zip(row.symbols, row.probability, strict=True)]


def write_facts(file: Path, folder: Path, published: list[dict[str, Any]]) -> None:
    """Write everything that must not be in a log."""
    prices = pd.read_parquet(folder / "prices.parquet").sort_values(["symbol", "date"])
    returns = prices.groupby("symbol")["adj_close"].pct_change().dropna()
    columns = ["open", "high", "low", "close", "adj_close"]
    file.write_text(
        json.dumps(
            {
                "symbols": sorted(prices["symbol"].unique()),
                "prices": prices[columns].to_numpy().ravel().tolist(),
                "returns": returns.tolist(),
                "published": published,
                "secrets": [SECRET, TOKEN, CONTACT, HANDED_IN],
            }
        )
    )


def _market(patch: pytest.MonkeyPatch) -> None:
    from lambdas.backtesting_engine import settling

    def plant(stores: Stores, uri: str) -> Any:
        dataset = real(stores, uri)
        close = dataset.prices.adj_close[:, 0]
        logger.info("a price", extra={"close": round(float(close[-1]))})
        logger.info("a return", extra={"return": float(close[-1] / close[-2] - 1.0)})
        return dataset

    real = settling.load_dataset
    patch.setattr(settling, "load_dataset", plant)


def _published(patch: pytest.MonkeyPatch) -> None:
    from lambdas.backtesting_engine import publishing

    def plant(*arguments: Any) -> Any:
        chosen = real(*arguments)
        logger.info(f"recommended {chosen}")
        return chosen

    real = publishing.recommended_symbols
    patch.setattr(publishing, "recommended_symbols", plant)


def _step(patch: pytest.MonkeyPatch) -> None:
    def plant(one: Step[Any, Any], event: Any, stores: Stores) -> Any:
        logger.info("environment", extra={"variables": dict(os.environ)})
        logger.info("event", extra={"event": event})
        print("[library] prints what it likes")
        answer = real(one, event, stores)
        logger.remove_keys(["correlation_id"])
        logger.info("nobody knows whose line this is")
        return answer

    real = Step.answer
    patch.setattr(Step, "answer", plant)


PLANTS = (_market, _published, _step)

if __name__ == "__main__":
    main(Path(sys.argv[1]), planted="planted" in sys.argv)
