"""What is done about an execution that did not end well: it gets a record, if nothing of ours has written one."""

from __future__ import annotations

from lambdas.contracts.tuning_run import NoteStoppedRequest, NoteStoppedResult
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(NoteStoppedRequest, NoteStoppedResult)
def note_stopped(request: NoteStoppedRequest, stores: Stores) -> NoteStoppedResult:
    """Open the record of an execution that was over before it could; any other record stays as it is.

    It ends nothing: the execution may be redriven, and the first end stands. What nobody redrives is ended by a later
    run of the same machine (`planning.end_lost_runs`), which finds it by this record.
    """
    noted = {"workflow": request.workflow, "execution_arn": request.execution_arn, "stopped_as": request.status}
    return NoteStoppedResult(opened=stores.analytics.note_run(request.run_id, request.started_at, noted))
