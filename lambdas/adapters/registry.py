"""The champion pointer. It changes in one transaction, on the condition that it still says what the caller saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lambdas.adapters.analytics import model_key, now, run_key
from lambdas.adapters.dynamodb import Table, to_item, update_arguments
from lambdas.adapters.errors import cancelled_by_condition
from lambdas.contracts.storage import AnalyticsKey
from lambdas.core.errors import ChampionChangedError

POINTER = {"PK": AnalyticsKey.CHAMPION, "SK": AnalyticsKey.CHAMPION_POINTER}


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
    ) -> bool:
        """Make `version` champion in place of `expected`; say whether this call did it, False if it was done before.

        One transaction writes the pointer, its history, the end of the run (`run`) and the model's record (`model`).

        Raises
        ------
        ChampionChangedError
            If the champion is no longer `expected`, or another run moved the pointer meanwhile.
        """
        seen = self.pointer()
        if seen is not None and seen["run_id"] == run_id and seen["version"] == version:
            return False
        if (None if seen is None else seen["version"]) != expected:
            raise self._changed(expected)
        at = now()
        change = {"version": version, "previous": previous, "run_id": run_id, "since": at}
        # With the run that moved the pointer last: `previous` was read from exactly this pointer.
        condition = {"version": expected, "run_id": None if seen is None else seen["run_id"]}
        history = {**change, "PK": AnalyticsKey.CHAMPION, "SK": f"{AnalyticsKey.CHAMPION_CHANGE}{at}#{run_id}"}
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
                    **update_arguments(model_key(version), {**model, "version": version, "promoted_at": at}),
                }
            },
        ]
        try:
            self._table.client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if not cancelled_by_condition(error):
                raise
            now_there = self.pointer()
            if now_there is not None and now_there["run_id"] == run_id and now_there["version"] == version:
                return False  # our own earlier attempt, whose answer was lost
            raise self._changed(expected) from error
        return True

    def _changed(self, expected: str | None) -> ChampionChangedError:
        return ChampionChangedError(
            f"The candidate was compared with champion {expected or '(none)'}, but the champion is now "
            f"{self.champion() or '(none)'}. Run again, so that it is compared with the present one."
        )
