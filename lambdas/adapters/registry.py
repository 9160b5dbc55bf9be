"""The champion pointer. It changes in one transaction, on the condition that it still says what the caller saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lambdas.adapters.analytics import model_key, run_key, utc
from lambdas.adapters.dynamodb import Table, to_item, update_arguments
from lambdas.adapters.errors import cancelled_by_condition
from lambdas.contracts.storage import AnalyticsKey
from lambdas.core.errors import ChampionChangedError

POINTER = {"PK": AnalyticsKey.CHAMPION, "SK": AnalyticsKey.CHAMPION_POINTER}

KEPT, RETIRED = "kept", "retired"
"""Attribute `artefact` of a model's record: a rollback asks for the one, so that it cannot race with the other."""


def this_moment() -> dt.datetime:
    """Return the time of a change."""
    return dt.datetime.now(dt.UTC)


class ChampionRegistry:
    """Which model users see, and which one was before it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def pointer(self) -> dict[str, Any] | None:
        """Return version, previous, run_id and since of the champion, or None where there never was one."""
        return self._table.get(POINTER)

    def champion(self) -> str | None:
        """Return the champion's version, or None."""
        pointer = self.pointer()
        return None if pointer is None else str(pointer["version"])

    def change(
        self,
        version: str,
        *,
        expected: str | None,
        previous: str | None,
        run_id: str,
        run: Mapping[str, Any],
        model: Mapping[str, Any],
        facts: Mapping[str, Any] | None = None,
        model_condition: Mapping[str, Any] | None = None,
    ) -> bool:
        """Make `version` champion in place of `expected`; say whether this call did it, False if it was done before.

        One transaction writes the pointer, its history with `facts` (what happened, who asked, why), the end of the run
        (`run`) and the model's record (`model`), whose attributes must equal `model_condition`.

        Raises
        ------
        ChampionChangedError
            If the champion is no longer `expected`, another run moved the pointer meanwhile, or the model's record
            does not meet its condition.
        """
        seen = self.pointer()
        if seen is not None and seen["run_id"] == run_id and seen["version"] == version:
            return False
        if (None if seen is None else seen["version"]) != expected:
            raise self._changed(expected)
        moment = this_moment()
        at = utc(moment)
        change = {"version": version, "previous": previous, "run_id": run_id, "since": at}
        # With the run that moved the pointer last: `previous` was read from exactly this pointer.
        condition = {"version": expected, "run_id": None if seen is None else seen["run_id"]}
        history = {
            **(facts or {}),
            **change,
            "replaced": expected,
            "PK": AnalyticsKey.CHAMPION,
            # Finer than whole seconds: two changes in one second are listed in the order they were made.
            "SK": f"{AnalyticsKey.CHAMPION_CHANGE}{moment.isoformat(timespec='microseconds')}#{run_id}",
        }
        items: list[Any] = [
            {"Update": {"TableName": self._table.name, **update_arguments(POINTER, change, condition=condition)}},
            {"Put": {"TableName": self._table.name, "Item": to_item(history)}},
            {
                "Update": {
                    "TableName": self._table.name,
                    **update_arguments(
                        run_key(run_id), {**run, "run_id": run_id, "ended_at": at}, condition={"outcome": None}
                    ),
                }
            },
            {
                "Update": {
                    "TableName": self._table.name,
                    **update_arguments(
                        model_key(version),
                        {**model, "version": version, "promoted_at": at},
                        condition=model_condition,
                    ),
                }
            },
        ]
        try:
            self._table.client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if not cancelled_by_condition(error):
                raise
            if self._was_ours(run_id, run):
                return False  # our own earlier attempt, whose answer was lost; others may have moved the pointer since
            raise self._changed(expected) from error
        return True

    def changes(self) -> list[dict[str, Any]]:
        """Return every change of the pointer, in order."""
        return self._table.query(AnalyticsKey.CHAMPION, AnalyticsKey.CHAMPION_CHANGE)

    def retire(self, version: str, run_id: str) -> bool:
        """Mark a model's artefact as retired, unless it is the champion or the one before it; say whether it is marked.

        One transaction with a look at the pointer: no run can make it champion between the look and the mark.
        """
        pointer = self.pointer()
        if pointer is None or version in (pointer["version"], pointer["previous"]):
            return False
        mark = update_arguments(model_key(version), {"artefact": RETIRED, "retired_by": run_id})
        seen = update_arguments(POINTER, {}, condition={"version": pointer["version"], "run_id": pointer["run_id"]})
        items: list[Any] = [
            {"ConditionCheck": {"TableName": self._table.name, **seen}},
            {"Update": {"TableName": self._table.name, **mark}},
        ]
        try:
            self._table.client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if not cancelled_by_condition(error):
                raise
            return False
        return True

    def _was_ours(self, run_id: str, run: Mapping[str, Any]) -> bool:
        """Say whether the end of the run that a transaction would write is recorded: then all of it is."""
        recorded = self._table.get(run_key(run_id)) or {}
        return all(recorded.get(name) == value for name, value in run.items())

    def _changed(self, expected: str | None) -> ChampionChangedError:
        return ChampionChangedError(
            f"The candidate was compared with champion {expected or '(none)'}, but the champion is now "
            f"{self.champion() or '(none)'}. Run again, so that it is compared with the present one."
        )
