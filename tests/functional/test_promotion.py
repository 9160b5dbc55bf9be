"""The lock, races around the champion pointer, and how long artefacts live: the service on real stores."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from in_memory_account import Account, call
from test_coordinator import ended, judged, planned, version

from lambdas.adapters.dynamodb import Table
from lambdas.adapters.errors import TransientStoreError
from lambdas.adapters.lock import RunLock
from lambdas.adapters.registry import ChampionRegistry
from lambdas.advanced_model_tuning_service.handler import handler
from lambdas.core.errors import InvalidRequestError


def at(hour: int, day: int = 22) -> dict[str, str]:
    return {"started_at": f"2026-11-{day}T{hour:02d}:00:00Z"}


class TestLock:
    """A machine runs once at a time."""

    def test_a_run_that_starts_while_another_runs_ends_at_once(self, account: Account) -> None:
        call(handler, planned("first", **at(2)))
        event = planned("second", **at(3))
        plan = call(handler, event)
        assert plan["kind"] == "busy"
        assert "first" in plan["explanation"]
        record = account.stores.analytics.run("second")
        assert record is not None
        assert (record["outcome"], record["busy_with"]) == ("BUSY", "first")
        assert "amts follow first" in account.announcements[-1]["text"]
        before = account.contents()
        assert call(handler, event) == plan
        assert account.contents() == before

    def test_turned_away_stays_turned_away_when_its_step_is_repeated(self, account: Account) -> None:
        call(handler, planned("first", **at(2)))
        event = planned("second", **at(3))
        call(handler, event)
        ended(account, "first")
        assert call(handler, event)["kind"] == "busy"
        assert call(handler, planned("third", **at(4)))["kind"] == "tune"

    @pytest.mark.parametrize("outcome", ["REJECTED", "PROMOTED", "FAILED"])
    def test_the_end_of_a_run_gives_its_lock_back(self, account: Account, outcome: str) -> None:
        call(handler, planned("first", **at(2)))
        ended(account, "first", outcome)
        assert call(handler, planned("second", **at(3)))["kind"] == "tune"

    def test_an_expired_lock_is_taken_over(self, account: Account) -> None:
        call(handler, planned("first", **at(2), timeout_hours=6))
        assert call(handler, planned("early", **at(8), timeout_hours=6))["kind"] == "busy"
        assert call(handler, planned("second", **at(9), timeout_hours=6))["kind"] == "tune"
        assert call(handler, planned("third", **at(10), timeout_hours=6))["kind"] == "busy"

    def test_a_redrive_of_the_owner_goes_on(self, account: Account) -> None:
        first = call(handler, planned("first", **at(2)))
        assert call(handler, planned("first", **at(2))) == first

    def test_machines_do_not_lock_each_other_and_a_rollback_waits_for_nobody(
        self, account: Account, tmp_path: Path
    ) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
        call(handler, planned("tuning", **at(2)))
        assert call(handler, planned("day", workflow="daily-assessment", **at(3)))["kind"] == "assess"
        assert call(handler, planned("back", {"rollback_to": "previous"}, **at(3)))["kind"] == "rollback"
        assert call(handler, planned("dry", {"dry_run": True}, **at(3)))["kind"] == "dry_run"

    def test_of_two_at_the_same_moment_one_gets_it(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second looks while the lock is free, and writes after the first has taken it."""
        lock, moment = account.stores.lock, dt.datetime(2026, 11, 22, 2, tzinfo=dt.UTC)
        real = Table.get
        looks: list[dict[str, str]] = []

        def look(table: Table, key: Any) -> Any:
            found = real(table, key)
            if not looks:
                looks.append(key)
                assert RunLock(table).acquire("tuning", "first", at=moment, hours=1) is None
            return found

        monkeypatch.setattr(Table, "get", look)
        assert lock.acquire("tuning", "second", at=moment, hours=1) == "first"


class TestRollBackRaces:
    def rolled_back(self, run_id: str = "back", number: int = 1) -> dict[str, Any]:
        return {
            "action": "roll_back",
            "run_id": run_id,
            "version": version(number),
            "reason": "drill",
            "requested_by": "arn:aws:iam::1:user/ann",
        }

    @pytest.fixture
    def two(self, account: Account, tmp_path: Path) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        call(handler, judged(account, tmp_path, "run-2", 2, version(1)))

    def test_who_and_why_are_on_record(self, account: Account, two: None) -> None:
        assert call(handler, self.rolled_back())["outcome"] == "ROLLED_BACK"
        (change,) = [change for change in account.stores.registry.changes() if change["run_id"] == "back"]
        assert (change["event"], change["version"], change["replaced"]) == ("ROLLED_BACK", version(1), version(2))
        assert (change["reason"], change["requested_by"]) == ("drill", "arn:aws:iam::1:user/ann")
        assert "drill. Asked for by arn:aws:iam::1:user/ann" in account.announcements[-1]["text"]

    def test_an_answer_that_was_lost_is_found_again_though_others_moved_the_pointer_since(
        self, account: Account, two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The transaction is done, its answer lost; before it is sent again, another run promotes a third model."""
        real = BaseClient._make_api_call
        lost: list[str] = []

        def losing(self: Any, operation: str, arguments: Any) -> Any:
            answer = real(self, operation, arguments)
            if operation == "TransactWriteItems" and not lost:
                lost.append(operation)
                call(handler, judged(account, tmp_path, "run-3", 3, version(1)))
                return real(self, operation, arguments)  # as botocore does after a timeout
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", losing)
            result = call(handler, self.rolled_back())
        assert lost
        assert (result["outcome"], result["champion"]) == ("ROLLED_BACK", version(1))
        assert account.stores.registry.champion() == version(3)

    def test_a_champion_that_changes_meanwhile_is_left_alone(
        self, account: Account, two: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pointer = {**(account.stores.registry.pointer() or {}), "run_id": "someone-before"}
        with monkeypatch.context() as patch:
            patch.setattr(ChampionRegistry, "pointer", lambda self: pointer)
            result = call(handler, self.rolled_back())
        assert result["outcome"] == "SUPERSEDED"
        assert "ask again" in result["message"]
        assert account.stores.registry.champion() == version(2)
        assert call(handler, self.rolled_back()) == result

    def test_two_people_roll_back_to_the_same_model(self, account: Account, two: None) -> None:
        assert call(handler, self.rolled_back("one"))["outcome"] == "ROLLED_BACK"
        second = call(handler, self.rolled_back("two"))
        assert (second["outcome"], second["champion"]) == ("SUPERSEDED", version(1))
        pointer = account.stores.registry.pointer()
        assert pointer is not None
        assert pointer["run_id"] == "one"

    def test_an_end_that_is_not_to_be_seen_yet_is_waited_for(
        self, account: Account, two: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The pointer is seen after the transaction, the run's record before it: the step is retried."""
        moved = {"run_id": "back", "version": version(1), "previous": None}
        monkeypatch.setattr(ChampionRegistry, "pointer", lambda self: moved)
        monkeypatch.setattr(ChampionRegistry, "champion", lambda self: version(2))
        with pytest.raises(TransientStoreError, match="not to be seen yet"):
            call(handler, self.rolled_back())


class TestRetire:
    def retire(self, run_id: str, keep: int) -> dict[str, Any]:
        return call(handler, {"action": "retire", "run_id": run_id, "keep": keep})

    def kept(self, account: Account) -> list[int]:
        return [number for number in range(1, 6) if account.stores.models.exists(version(number))]

    @pytest.fixture
    def five(self, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Models 1, 2, 4 and 5 were champions one after the other; 3 was rejected."""
        champion = None
        for number in (1, 2, 3, 4, 5):
            moment = dt.datetime(2026, 11, number, 2, tzinfo=dt.UTC)
            monkeypatch.setattr("lambdas.adapters.registry.this_moment", lambda moment=moment: moment)
            event = judged(account, tmp_path, f"run-{number}", number, champion)
            if number == 3:
                reject = {"action": "reject", "run_id": "run-3", "version": version(3), "stopped_by": None}
                call(handler, reject)
                continue
            call(handler, event)
            champion = version(number)

    def test_the_oldest_go_and_the_answer_is_how_the_run_ended(self, account: Account, five: None) -> None:
        result = self.retire("run-5", keep=3)
        assert (result["outcome"], result["champion"]) == ("PROMOTED", version(5))
        assert len(self.kept(account)) == 3
        assert {4, 5} <= set(self.kept(account))
        before = account.contents()
        assert self.retire("run-5", keep=3) == result
        assert account.contents() == before

    def test_the_champion_the_one_before_and_the_shadow_stay_whatever_their_age(
        self, account: Account, five: None
    ) -> None:
        back = {"action": "roll_back", "run_id": "back", "version": version(2), "reason": "drill"}
        call(handler, back)  # 2 is champion, 1 the one before it: both older than 4 and 5
        account.stores.shadow.take(version(3), "run-3", {})
        self.retire("run-5", keep=1)
        assert set(self.kept(account)) >= {1, 2, 3}

    def test_a_retired_model_does_not_come_back_and_says_why(self, account: Account, five: None) -> None:
        self.retire("run-5", keep=2)
        assert 1 not in self.kept(account)
        with pytest.raises(InvalidRequestError, match="was retired by run run-5"):
            call(handler, planned("back", {"rollback_to": version(1)}))

    def test_a_rollback_cannot_race_with_it(
        self, account: Account, five: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between a rollback's look at the files and its transaction, the model is retired."""
        real = type(account.stores.models).verify

        def verify_then_retire(store: Any, wanted: str) -> None:
            real(store, wanted)
            self.retire("run-5", keep=2)

        monkeypatch.setattr(type(account.stores.models), "verify", verify_then_retire)
        back = {"action": "roll_back", "run_id": "back", "version": version(1), "reason": "drill"}
        assert call(handler, back)["outcome"] == "SUPERSEDED"
        assert account.stores.registry.champion() == version(5)

    def test_the_champion_of_a_moment_ago_is_not_marked(
        self, account: Account, five: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The pointer moves between the look and the mark: nothing is marked."""
        stale = {**(account.stores.registry.pointer() or {}), "run_id": "earlier"}
        monkeypatch.setattr(ChampionRegistry, "pointer", lambda self: stale)
        assert not account.stores.registry.retire(version(1), "run-5")


def test_changes_within_one_second_are_listed_in_the_order_they_were_made(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dt.datetime(2026, 11, 22, 2, tzinfo=dt.UTC)
    champion = None
    for number, run_id in ((1, "run-z"), (2, "run-a")):
        later = moment + dt.timedelta(milliseconds=number)
        monkeypatch.setattr("lambdas.adapters.registry.this_moment", lambda later=later: later)
        call(handler, judged(account, tmp_path, run_id, number, champion))
        champion = version(number)
    changes = account.stores.registry.changes()
    assert [change["version"] for change in changes] == [version(1), version(2)]
    assert changes[1]["replaced"] == changes[0]["version"]
    assert changes[0]["since"] == changes[1]["since"] == "2026-11-22T02:00:00+00:00"
