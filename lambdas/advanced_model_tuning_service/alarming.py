"""What happens when the live gate fails: it is announced, and a tuning run is started, once a week at most."""

from __future__ import annotations

from lambdas.advanced_model_tuning_service.announcing import announce
from lambdas.contracts.metrics import Metric
from lambdas.contracts.tuning_run import AlarmRequest, AlarmResult
from lambdas.runtime.observability import count
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

ONCE = "live-gate"


@step(AlarmRequest, AlarmResult)
def alarm(request: AlarmRequest, stores: Stores) -> AlarmResult:
    """Announce a failing live gate and ask for a tuning run, unless that was done in the last seven days."""
    failed = f"The live gate of champion {request.version} fails: {request.gate.reason}"
    count(Metric.LIVE_GATE_FAILURES)
    if not stores.analytics.once_a_week(ONCE, request.run_id, request.started_at):
        return AlarmResult(start_tuning=False, message=f"{failed} It was announced less than a week ago.")
    message = f"{failed} A tuning run is being started."
    announce(
        stores, stores.analytics.run(request.run_id) or {"run_id": request.run_id}, "LIVE_GATE", None, message=message
    )
    return AlarmResult(start_tuning=True, message=message)
