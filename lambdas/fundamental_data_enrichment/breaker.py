"""The circuit breaker around the servers of the live sources: Powertools', with its state in this process.

One circuit a source. Once it is open the batch fails at once, as a fault that is likely to pass: the step is retried
when Step Functions says so, in place of every symbol waiting for its own attempts. The state stays with the warm
function and is not shared: two functions that collect at a time find out separately, and no table has to be writable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
    CircuitBreakerPersistenceLayer,
    CircuitStateRecord,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence.base import CircuitBreakerExistingLockError

from lambdas.core.errors import TransientMarketDataError
from lambdas.core.market_data.sources.live_requests import PassingFaultError

FAILURES_IN_A_ROW = 40
"""More than a handful of symbols that are never answered can make between them, and less than a dead server does."""

RECOVERY_SECONDS = 60


class ProcessMemory(CircuitBreakerPersistenceLayer):
    """States of circuits in this process."""

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, CircuitStateRecord] = {}
        self._writing = threading.Lock()

    def _get_record(self, name: str) -> CircuitStateRecord | None:
        return self._records.get(name)

    def _put_record(
        self, record: CircuitStateRecord, condition: str | None = None, expected_opened_at: int | None = None
    ) -> None:
        with self._writing:
            current = self._records.get(record.name)
            if condition == "half_open" and current is not None and current.half_open_owner is not None:
                raise CircuitBreakerExistingLockError(record.name)
            self._records[record.name] = record

    def _update_record(self, record: CircuitStateRecord) -> None:
        with self._writing:
            self._records[record.name] = record


_MEMORY = ProcessMemory()


def guarded(name: str, call: Callable[[], Any]) -> Any:
    """Make a call for a source, unless its circuit is open.

    Raises
    ------
    TransientMarketDataError
        If the source failed so often in a row that it is left alone for a minute.
    """
    config = CircuitBreakerConfig(
        failure_threshold=FAILURES_IN_A_ROW,
        recovery_timeout=RECOVERY_SECONDS,
        success_threshold=1,
        handled_exceptions=PassingFaultError,
        local_cache_max_age=0,
    )

    def refuse(*, circuit: object) -> None:
        raise TransientMarketDataError(
            f"{name} failed {FAILURES_IN_A_ROW} times in a row and is left alone for {RECOVERY_SECONDS} seconds. The "
            "step is retried; if it goes on, look at the source's status and at the network."
        )

    return circuit_breaker(name=name, persistence_store=_MEMORY, on_circuit_open=refuse, config=config)(call)()
