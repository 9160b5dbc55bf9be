"""What the daily run tells CloudWatch: each live number once, by the name that the dashboards and alarms know."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambdas.backtesting_engine.live import Live, emit
from lambdas.contracts.metrics import Metric
from lambdas.core.gates import live_gate
from lambdas.core.live.values import Drift, LivePerformance, LiveWindow
from lambdas.core.settings import GateSettings
from lambdas.runtime.observability import flush_metrics, metrics

NAMES = ("LiveHitRate", "LiveBaseRate", "LiveOutperformance", "LiveSharpeRatio", "LiveMaxDrawdown")
NAMES += ("LiveCalibrationError",)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


def window(days: int | None, value: float | None) -> LiveWindow:
    numbers = dict.fromkeys(LiveWindow.model_fields, value)
    dates = {"first_session": "2026-01-02", "last_session": "2026-03-02"}
    return LiveWindow.model_validate({**numbers, **dates, "days": days, "n_sessions": 40, "n_matured": 100})


def record(**by_days: float | None) -> LivePerformance:
    windows = tuple(window(int(name[1:]) or None, value) for name, value in by_days.items())
    return LivePerformance(n_recommendations=200, not_in_data=(), windows=windows)


def emitted(live: Live, capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    emit(live)
    flush_metrics()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert len(told) == 1
    names = [one["Name"] for one in told[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return {name: told[0][name] for name in names}


def test_every_number_of_every_window_and_of_drift_is_emitted(capsys: pytest.CaptureFixture[str]) -> None:
    published = record(d0=0.9, d30=0.3, d90=0.4, d365=0.5)
    drift = Drift(
        n_features=10,
        drifted_share=0.1,
        median_psi=0.05,
        most_drifted=(),
        market_wide=(),
        score_psi=0.2,
        outside_share=0.3,
    )
    gate = live_gate(0.6, 0.5, 0.1, GateSettings())
    found = emitted(Live(published, record(d0=0.6), drift, gate), capsys)
    by_window = {f"{name}{days}": [value] for name in NAMES for days, value in ((30, 0.3), (90, 0.4), (365, 0.5))}
    of_champion = {"LiveHitRate": [0.6], "LiveBaseRate": [0.6]}
    of_drift = {"DriftedFeatures": [0.1], "ScorePsi": [0.2], "InputsOutsideTraining": [0.3]}
    assert found == by_window | of_champion | of_drift
    assert set(found) <= {metric.value for metric in Metric}


def test_what_is_not_known_is_not_emitted_as_zero(capsys: pytest.CaptureFixture[str]) -> None:
    gate = live_gate(None, None, None, GateSettings())
    found = emitted(Live(record(d0=None, d30=0.3), record(d0=None), None, gate), capsys)
    assert set(found) == {f"{name}30" for name in NAMES}
