"""What `amts status` prints of models that were promoted, rolled back, superseded and shadowed."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from in_memory_account import NAMES, Account, call
from test_coordinator import candidate, ended, judged, planned, version

from cli import main, status
from cli.console import console
from cli.deployment import Deployment
from lambdas.advanced_model_tuning_service.handler import handler
from lambdas.contracts.outputs import StackOutput

OUTPUTS = {
    StackOutput.ANALYTICS_TABLE: NAMES["analytics_table"],
    StackOutput.RECOMMENDATIONS_TABLE: NAMES["recommendations_table"],
}
TIMES = "2026-11-{:02d}T02:00:00+00:00"


@pytest.fixture(autouse=True)
def _deployment(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account in memory, as a deployment that the command line found."""
    monkeypatch.setattr(status, "attach", lambda name: Deployment("dev", OUTPUTS, boto3.Session()))
    monkeypatch.setattr(console, "_width", 240)


@pytest.fixture
def lived(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """1 and 2 were promoted, 3 came too late, 4 became the shadow, 5 was rejected; then 2 was rolled back to 1."""
    day = 0

    def on(number: int) -> None:
        nonlocal day
        day = number
        moment = dt.datetime.fromisoformat(TIMES.format(day))
        monkeypatch.setattr("lambdas.adapters.registry.this_moment", lambda: moment)
        for place in ("adapters.shadow", "adapters.analytics", "advanced_model_tuning_service.ending"):
            monkeypatch.setattr(f"lambdas.{place}.now", lambda: TIMES.format(day))

    on(1)
    call(handler, judged(account, tmp_path, "run-1", 1, None))
    on(2)
    call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
    on(3)
    call(handler, planned("run-3", started_at=TIMES.format(3)))
    call(
        handler, {"action": "reject", "run_id": "run-3", "version": candidate(account, tmp_path, 3), "stopped_by": None}
    )
    for number, gate, verdict in ((4, "risk", "INSUFFICIENT_EVIDENCE"), (5, "market", "FAIL")):
        on(number)
        judged(account, tmp_path, f"run-{number}", number, version(2), **{gate: verdict, "deployment": "FAIL"})
        stopped = {"gate": gate, "verdict": verdict, "checks": [], "reason": f"The {gate} gate says {verdict}."}
        rejected: dict[str, Any] = {"action": "reject", "run_id": f"run-{number}", "version": version(number)}
        rejected |= {"stopped_by": stopped, "predictions_uris": []}
        rejected["holdout_predictions_uri"] = f"s3://{NAMES['performance_bucket']}/predictions/x.parquet"
        call(handler, rejected)
    on(6)
    call(handler, planned("back", {"rollback_to": "previous"}, started_at=TIMES.format(6)))
    back = {"action": "roll_back", "run_id": "back", "version": version(1), "reason": "drill", "requested_by": "ann"}
    call(handler, back)
    ended(account, "back")
    return account


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main.call(main.app, ["status", *arguments]) == 0
    return capsys.readouterr().out


def row(text: str, title: str, *cells: str) -> str:
    """Return the one line below a title in which all the cells stand."""
    lines = [line for line in text.split(title, 1)[1].splitlines() if all(cell in line for cell in cells)]
    assert lines, f"{cells} below {title} in\n{text}"
    return lines[0]


@pytest.mark.usefixtures("lived")
class TestFourFates:
    """Every model's fate is one row of *Models*; how it came to it, the rows of *History*."""

    def test_the_first_lines_say_who_is_seen_and_who_is_watched(self, capsys: pytest.CaptureFixture[str]) -> None:
        first, before, shadow = printed(capsys).splitlines()[:3]
        assert first == f"Champion {version(1)} since 2026-11-06 02:00 UTC, by run back"
        assert before == "Before it: none"  # going back twice goes back twice, and 1 was the first
        assert shadow.startswith(f"Shadow {version(4)} since 2026-11-04 02:00 UTC: ")

    @pytest.mark.parametrize(
        ("number", "now", "since", "run", "more"),
        [
            (1, "champion", "2026-11-06", "run-1", "kept"),
            (2, f"rolled back, {version(1)} in its place", "2026-11-06", "run-2", "kept"),
            (3, "superseded", "2026-11-03", "run-3", "kept"),
            (4, "shadow", "2026-11-04", "run-4", "risk"),
            (5, "rejected", "2026-11-05", "run-5", "market"),
        ],
    )
    def test_models(
        self, capsys: pytest.CaptureFixture[str], number: int, now: str, since: str, run: str, more: str
    ) -> None:
        models = printed(capsys).split("History of models")[0]
        found = row(models, "\nModels", version(number) + "  ")
        assert re.split(r"\s{2,}", found.strip())[:4] == [version(number), now, f"{since} 02:00 UTC", run]
        assert more in found

    def test_history_tells_it_in_order_with_who_and_why(self, capsys: pytest.CaptureFixture[str]) -> None:
        told = printed(capsys).split("History of models")[1].split("Last runs")[0]
        told_of = [re.split(r"\s{2,}", line)[1:3] for line in told.splitlines() if line.startswith("2026-")]
        assert told_of == [
            [version(1), "promoted"],
            [version(2), "promoted"],
            [version(3), "superseded"],
            [version(4), "became the shadow"],
            [version(1), "champion again, by a rollback"],
        ]
        back = row(told, "what", "champion again")
        assert back.split()[-2:] == ["ann", "drill"]
        assert version(2) in back
        assert "Stopped by the risk gate (insufficient evidence)" in row(told, "what", "became the shadow")

    def test_the_newest_are_shown_and_the_others_are_counted(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert main.call(main.app, ["status", "--last", "2", "--json", str(tmp_path / "status.json")]) == 0
        shown = capsys.readouterr()
        assert "3 earlier models" in shown.err
        assert "3 earlier events" in shown.err
        assert version(3) not in shown.out
        written = json.loads((tmp_path / "status.json").read_text())
        assert {model["version"] for model in written["models"]} == {version(number) for number in range(1, 6)}
        assert len(written["history"]) == 5


def test_before_the_first_run_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys)
    assert "No champion: no model has passed every gate yet" in text
    assert "amts run" in text


def test_after_a_promotion_it_says_how_to_go_back(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(handler, judged(account, tmp_path, "run-1", 1, None))
    call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
    text = printed(capsys)
    assert f"Before it: {version(1)}; `amts rollback` brings it back" in text
    assert "replaced" in row(text, "\nModels", version(1), "the one before the champion")
