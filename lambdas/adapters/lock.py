"""One run of a workflow at a time: a lock with an owner and an expiry."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lambdas.adapters.analytics import run_key, utc
from lambdas.adapters.dynamodb import Table
from lambdas.adapters.errors import TransientStoreError
from lambdas.contracts.storage import AnalyticsKey

ATTEMPTS = 5


class RunLock:
    """Locks in the table `ai-performance-analytics`, one a workflow.

    A lock is free when nobody has it, when it has expired, or when its owner's run has ended: whoever records the end
    of a run thereby gives its lock back, and no crash between the two can leave it behind.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def acquire(self, workflow: str, run_id: str, *, at: dt.datetime, hours: float) -> str | None:
        """Take the lock of a workflow for a run, and return None; or return the run that has it.

        The owner may take it again: a step that is repeated, and an execution that is redriven, go on.

        Parameters
        ----------
        workflow, run_id : str
        at : datetime
            When the run started, with a time zone: what an expiry is compared with.
        hours : float
            After these the lock has expired, if the run has not ended before.
        """
        key = {"PK": AnalyticsKey.LOCK, "SK": workflow}
        values = {"run_id": run_id, "since": utc(at), "expires_at": utc(at + dt.timedelta(hours=hours))}
        for _ in range(ATTEMPTS):
            held = self._table.get(key)
            if held is None:
                if self._table.put_once({**key, **values}, "PK"):
                    return None
                continue
            if held["run_id"] == run_id:
                return None
            if held["expires_at"] > utc(at) and not self._has_ended(held["run_id"]):
                return str(held["run_id"])
            seen: dict[str, Any] = {"run_id": held["run_id"], "expires_at": held["expires_at"]}
            if self._table.update(key, values, condition=seen):
                return None
        raise TransientStoreError(
            f"The lock of {workflow} changed hands {ATTEMPTS} times meanwhile. The step is retried."
        )

    def release(self, workflow: str, run_id: str, *, at: dt.datetime) -> bool:
        """End the lock of a run that cannot do so itself, because its execution is over; say whether it had the lock.

        Parameters
        ----------
        workflow, run_id : str
        at : datetime
            When the execution ended, with a time zone: for a run that starts then, the lock has expired.
        """
        key = {"PK": AnalyticsKey.LOCK, "SK": workflow}
        return self._table.update(key, {"expires_at": utc(at)}, condition={"run_id": run_id})

    def holder(self, workflow: str) -> dict[str, Any] | None:
        """Return run_id, since and expires_at of the lock as it was taken last, or None."""
        return self._table.get({"PK": AnalyticsKey.LOCK, "SK": workflow})

    def _has_ended(self, run_id: str) -> bool:
        return "outcome" in (self._table.get(run_key(run_id)) or {})
