"""`amts status`, `amts rollback` and `amts local`: what is deployed, the previous champion back, the local AWS."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from cli import run
from cli.console import console, print_table
from cli.deployment import LOCAL, Deployment, connect, environment_name
from cli.history import history, print_history, print_shadow, print_standing, standing, when
from cli.local_aws import application, emulator
from cli.local_aws.place import Place
from cli.outputs import write_json
from lambdas.adapters.dynamodb import from_item, to_item
from lambdas.adapters.lock import RunLock
from lambdas.adapters.recommendations import recommendation_id
from lambdas.adapters.shadow import ShadowSeat
from lambdas.contracts.backtesting import LiveSession
from lambdas.contracts.outputs import StackOutput
from lambdas.contracts.storage import WRITTEN_BY
from lambdas.contracts.tuning_run import TuningRequest
from lambdas.core.errors import InvalidInputError

app = typer.Typer()
local = typer.Typer(help="The local AWS: an emulator on loopback, its state kept between runs.", no_args_is_help=True)
app.add_typer(local, name="local")


@app.command()
def status(
    last: Annotated[int, typer.Option("--last", min=1, max=200, help="How many runs, models and events.")] = 10,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write it to this file as well.")] = None,
    env: run.EnvOption = None,
) -> None:
    """Show the champion, what it last recommended, and the last runs.

    Example: amts status --last 20

    Example: amts status --env prod --json status.json
    """
    run.check_output(json_file)
    deployment = attach(environment_name(env))
    pointer = deployment.registry.pointer()
    sessions = [one for one in deployment.analytics.live_sessions(10).sessions if one.role == "champion"][:1]
    recommendations = _newest_recommendations(deployment, sessions)
    runs = deployment.analytics.last_runs(last)
    shadow = ShadowSeat(deployment.analytics_table).holder()
    events = history(deployment)
    models = standing(deployment, events)
    if json_file:
        live = [one.model_dump(mode="json") for one in sessions]
        value = {"champion": pointer, "live": live, "recommendations": recommendations, "runs": runs}
        value |= {"shadow": shadow, "models": models, "history": events}
        write_json(json_file, value)
    if pointer is None:
        console.print("No champion: no model has passed every gate yet, so nothing is recommended.")
    else:
        console.print(f"Champion {pointer['version']} since {when(pointer['since'])}, by run {pointer['run_id']}")
        before = f"{pointer['previous']}; `amts rollback` brings it back" if pointer["previous"] else "none"
        console.print(f"Before it: {before}")
    print_shadow(shadow)
    _print_recommendations(recommendations)
    print_standing(models, last)
    print_history(events, last)
    console.print()
    if not runs:
        console.print("No runs yet. Start one with: amts run")
        return
    columns = ("run", "kind", "started", "outcome", "message")
    print_table(
        columns,
        [
            (
                record.get("run_id"),
                record.get("kind"),
                when(record.get("started_at")),
                record.get("outcome") or _state_of_execution(deployment, record),
                record.get("message") or record.get("explanation"),
            )
            for record in runs
        ],
        title="Last runs",
    )


@app.command()
def rollback(
    to: Annotated[str, typer.Option("--to", help="A promoted version, or `previous`.")] = "previous",
    reason: Annotated[str, typer.Option("--reason", help="Recorded with the change.")] = "amts rollback",
    env: run.EnvOption = None,
) -> None:
    """Make an earlier champion champion again; nothing is fitted.

    Example: amts rollback --env prod --reason "drawdown of the new one"

    Example: amts rollback --to v20261120-0123456789ab
    """
    TuningRequest.model_validate({"rollback_to": to, "reason": reason})
    deployment = attach(environment_name(env))
    request = TuningRequest.model_validate({"rollback_to": to, "reason": reason, "requested_by": asker(deployment)})
    run.finish(deployment, run.start(deployment, request), json_file=None, fail_on_reject=False)


@app.command()
def redrive(
    run_id: Annotated[str, typer.Argument(help="A run that failed, as `amts status` and the announcement print it.")],
    env: run.EnvOption = None,
) -> None:
    """Run again what a failed run was asked for; the steps it had done are found again, not repeated.

    It is a new execution: one that ended in the state *Run failed* can only be redriven into that state. One that was
    stopped or timed out still has the lock of its machine, which is freed first.

    Example: amts redrive comprehensive-20261122T145051Z-23c123
    """
    deployment = attach(environment_name(env))
    described = deployment.step_functions.describe_execution(executionArn=run.find_execution(deployment, run_id))
    if described["status"] in ("RUNNING", "SUCCEEDED"):
        raise InvalidInputError(f"run {run_id} is {described['status']}; only one that failed is run again")
    asked = json.loads(described["input"]) | {"reason": f"redrive of {run_id}"[:200], "requested_by": asker(deployment)}
    request = TuningRequest.model_validate_json(json.dumps(asked))
    daily = described["stateMachineArn"] == deployment[StackOutput.ASSESSMENT_MACHINE_ARN]
    if daily:
        request = request.model_copy(update={"mode": "daily"})
    workflow = "daily-assessment" if daily else "advanced-model-tuning"
    if "outcome" not in (deployment.analytics.run(run_id) or {}):
        RunLock(deployment.analytics_table).release(workflow, run_id, at=described["stopDate"])
    run.finish(deployment, run.start(deployment, request), json_file=None, fail_on_reject=False)


def asker(deployment: Deployment) -> str:
    """Return who is asking: the identity that AWS knows, on the local AWS the user of the machine."""
    if deployment.environment == LOCAL:
        return getpass.getuser()
    return str(deployment.session.client("sts").get_caller_identity()["Arn"])[-200:]


@local.command("up")
def local_up(
    port: Annotated[
        int | None, typer.Option("--port", min=1024, max=65535, help="On 127.0.0.1. Default: 4566.")
    ] = None,
) -> None:
    """Start the local AWS and deploy the application into it, unless both are there.

    Example: amts local up --port 4600
    """
    deployment = application.up(Place.default(), port)
    console.print(f"The local AWS answers at {deployment.endpoint}, with the application in it.")


@local.command("down")
def local_down(
    forget: Annotated[bool, typer.Option("--forget", help="Delete its state, too: runs, models, data sets.")] = False,
) -> None:
    """Stop the local AWS; its state is kept.

    Example: amts local down

    Example: amts local down --forget
    """
    place = Place.default()
    stopped = emulator.stop(place)
    console.print("The local AWS is stopped." if stopped else "The local AWS was not running.")
    if forget:
        place.forget()
        console.print("Its state is deleted.")


@local.command("status")
def local_status() -> None:
    """Say whether the local AWS runs, and what is in it.

    Example: amts local status
    """
    place = Place.default()
    running = emulator.find(place)
    if running is None:
        kept = place.state.exists()
        console.print(f"The local AWS is not running{', its state is kept' if kept else ''}. Start it: amts local up")
        return
    deployment = application.current(place, running)
    console.print(f"The local AWS answers at {running.endpoint}, process {running.pid}, log {place.log}")
    if deployment is None:
        console.print("The application is not deployed in it. Deploy it: amts local up")
        return
    print_table(("output", "value"), sorted(deployment.outputs.items()))


def attach(environment: str) -> Deployment:
    """Return a deployment as it is; unlike `connect`, changed code is not deployed first."""
    if environment != LOCAL:
        return connect(environment)
    return application.attach(Place.default())


def _state_of_execution(deployment: Deployment, record: dict[str, Any]) -> str:
    """Say how an execution stands that recorded no end: it may have been stopped before it could."""
    try:
        described = deployment.step_functions.describe_execution(executionArn=str(record.get("execution_arn")))
    except ClientError:
        return "unknown"
    return "running" if described["status"] == "RUNNING" else f"{described['status']} (ended without a record)"


def _newest_recommendations(deployment: Deployment, sessions: list[LiveSession]) -> list[dict[str, Any]]:
    """Return what was published for the newest session, by rank."""
    if not sessions:
        return []
    identity = recommendation_id(sessions[0].decision_session.isoformat(), sessions[0].version)
    pages = deployment.dynamodb.get_paginator("scan").paginate(
        TableName=deployment[StackOutput.RECOMMENDATIONS_TABLE],
        FilterExpression="recommendation_id = :id AND written_by = :us",
        ExpressionAttributeValues=to_item({":id": identity, ":us": WRITTEN_BY}),
    )
    found = [from_item(item) for page in pages for item in page["Items"]]
    return sorted(found, key=lambda item: int(item["rank"]))


def _print_recommendations(recommendations: list[dict[str, Any]]) -> None:
    if not recommendations:
        return
    console.print()
    columns = ("rank", "symbol", "probability", "entry_session", "maturity_session", "status")
    rows = [[item.get(name) for name in columns] for item in recommendations]
    print_table(columns, rows, title=f"Recommendations of the session of {recommendations[0]['decision_session']}")
