"""The shadow: a model whose evidence did not suffice, scored every day beside the champion, published nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.adapters.analytics import now
from lambdas.adapters.dynamodb import Table
from lambdas.contracts.storage import AnalyticsKey

POINTER = {"PK": AnalyticsKey.SHADOW, "SK": AnalyticsKey.CHAMPION_POINTER}
EMPTY = ""


class ShadowSeat:
    """There is one seat. Who has it keeps it until it is promoted, misses a threshold, or has been watched too long."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def holder(self) -> dict[str, Any] | None:
        """Return version, run_id and since of the shadow, and what its judgement needs; None for an empty seat."""
        pointer = self._table.get(POINTER)
        return None if pointer is None or pointer["version"] == EMPTY else pointer

    def version(self) -> str | None:
        """Return the shadow's version, or None."""
        holder = self.holder()
        return None if holder is None else str(holder["version"])

    def take(self, version: str, run_id: str, values: Mapping[str, Any]) -> bool:
        """Seat a model if the seat is empty; say whether it sits there by this run, now or from an earlier attempt."""
        at = now()
        seated = {**values, "version": version, "run_id": run_id, "since": at}
        free = self._table.put_once({**POINTER, **seated}, "PK") or self._table.update(
            POINTER, seated, condition={"version": EMPTY}
        )
        if free:
            self._record(at, run_id, "SHADOWED", version, values.get("reason"))
            return True
        holder = self.holder()
        return holder is not None and (holder["version"], holder["run_id"]) == (version, run_id)

    def leave(self, version: str, run_id: str, reason: str) -> bool:
        """Empty the seat if `version` has it; say whether this call did it."""
        if not self._table.update(POINTER, {"version": EMPTY}, condition={"version": version}):
            return False
        self._record(now(), run_id, "SHADOW_ENDED", version, reason)
        return True

    def changes(self) -> list[dict[str, Any]]:
        """Return every change of the seat, in order."""
        return self._table.query(AnalyticsKey.SHADOW, AnalyticsKey.CHAMPION_CHANGE)

    def _record(self, at: str, run_id: str, event: str, version: str, reason: str | None) -> None:
        key = {"PK": AnalyticsKey.SHADOW, "SK": f"{AnalyticsKey.CHAMPION_CHANGE}{at}#{run_id}#{event}"}
        self._table.put({**key, "event": event, "version": version, "run_id": run_id, "since": at, "reason": reason})
