"""What the calendar and the week decide: holidays, and what is said or done once a week at most."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from in_memory_account import Account, call

from cli import in_process as machine
from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.backtesting_engine.handler import handler as backtesting


class TestCalendar:
    def ask(self, account: Account, started_at: str, **changes: Any) -> dict[str, Any]:
        event = {"action": "calendar", "run_id": "day", "data": "yahoo", "as_of": None, "started_at": started_at}
        return call(backtesting, event | changes)

    def test_a_holiday_says_so_and_ends(self, account: Account) -> None:
        answer = self.ask(account, "2025-11-27T13:00:00Z")  # Thanksgiving
        assert (answer["open"], answer["message"][-10:-1]) == (False, "025-11-28")
        record = account.stores.analytics.run("day")
        assert record is not None
        assert record["outcome"] == "NOTHING"
        assert "closed on 2025-11-27" in record["message"]

    @pytest.mark.parametrize(
        ("started_at", "changes"),
        [
            ("2025-11-28T13:00:00Z", {}),
            ("2025-11-27T04:30:00Z", {}),  # still Wednesday in New York
            ("2025-11-27T13:00:00Z", {"as_of": "2025-11-26"}),
            ("2025-11-27T13:00:00Z", {"data": "simulated"}),
        ],
    )
    def test_other_days_go_on(self, account: Account, started_at: str, changes: dict[str, Any]) -> None:
        assert self.ask(account, started_at, **changes)["open"]
        assert account.stores.analytics.run("day") is None


class TestOnceAWeek:
    def test_without_a_champion_it_is_said_once_a_week(self, account: Account) -> None:
        for day in range(2, 17):
            run = machine.Run(
                f"day-{day}", workflow="daily-assessment", started_at=dt.datetime(2026, 11, day, 13, tzinfo=dt.UTC)
            )
            assert run.plan({})["kind"] == "nothing"
        told = [a["attributes"]["run_id"] for a in account.announcements]
        assert told == ["day-2", "day-9", "day-16"]
        assert len(account.stores.analytics.last_runs(100)) == 15

    def test_a_failing_live_gate_is_announced_and_tuned_for_once_a_week(self, account: Account) -> None:
        gate = {"gate": "live", "verdict": "FAIL", "checks": [], "reason": "Worse than no skill."}
        started = []
        for day in range(2, 17):
            event = {
                "action": "alarm",
                "run_id": f"day-{day}",
                "version": "v20260101-0123456789ab",
                "gate": gate,
                "started_at": f"2026-11-{day:02d}T13:00:00Z",
            }
            answer = call(service, event)
            assert call(service, event) == answer  # a repeated step says the same
            if answer["start_tuning"]:
                started.append(day)
        assert started == [2, 9, 16]
        assert account.announcements[0]["attributes"]["outcome"] == "LIVE_GATE"
        assert "amts rollback" in account.announcements[0]["text"]
