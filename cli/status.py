"""`amts status`, `amts rollback` and `amts local`: what is deployed, the previous champion back, the local AWS."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import run
from cli.console import console, print_hint, print_table
from cli.deployment import LOCAL, Deployment, connect, environment_name
from cli.local_aws import application, emulator
from cli.local_aws.place import Place
from lambdas.contracts.tuning_run import TuningRequest

app = typer.Typer()
local = typer.Typer(help="The local AWS: an emulator on loopback, its state kept between runs.", no_args_is_help=True)
app.add_typer(local, name="local")


@app.command()
def status(
    last: Annotated[int, typer.Option("--last", min=1, max=200, help="How many runs.")] = 10,
    env: run.EnvOption = None,
) -> None:
    """Show the champion, what it last recommended, and the last runs."""
    deployment = attach(environment_name(env))
    pointer = deployment.registry.pointer()
    if pointer is None:
        console.print("No champion: no model has passed every gate yet, so nothing is recommended.")
    else:
        console.print(f"Champion {pointer['version']} since {pointer['since']}, by run {pointer['run_id']}")
        console.print(f"Before it {pointer['previous'] or 'there was none'}")
    _print_live(deployment)
    runs = deployment.analytics.last_runs(last)
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
                record.get("started_at"),
                record.get("outcome") or "running",
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
    """Make an earlier champion champion again; nothing is fitted."""
    request = TuningRequest.model_validate({"rollback_to": to, "reason": reason})
    deployment = attach(environment_name(env))
    run.finish(deployment, run.start(deployment, request), json_file=None, fail_on_reject=False)


@local.command("up")
def local_up(
    port: Annotated[
        int | None, typer.Option("--port", min=1024, max=65535, help="On 127.0.0.1. Default: 4566.")
    ] = None,
) -> None:
    """Start the local AWS and deploy the application into it, unless both are there."""
    deployment = application.up(Place.default(), port)
    console.print(f"The local AWS answers at {deployment.endpoint}, with the application in it.")


@local.command("down")
def local_down(
    forget: Annotated[bool, typer.Option("--forget", help="Delete its state, too: runs, models, data sets.")] = False,
) -> None:
    """Stop the local AWS; its state is kept."""
    place = Place.default()
    stopped = emulator.stop(place)
    console.print("The local AWS is stopped." if stopped else "The local AWS was not running.")
    if forget:
        place.forget()
        console.print("Its state is deleted.")


@local.command("status")
def local_status() -> None:
    """Say whether the local AWS runs, and what is in it."""
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


def _print_live(deployment: Deployment) -> None:
    sessions = deployment.analytics.live_sessions(1)
    if sessions:
        newest = sessions[0]
        shown = {k: v for k, v in newest.items() if k not in ("PK", "SK") and isinstance(v, str | int | float | bool)}
        print_hint("Newest session: " + ", ".join(f"{name} {value}" for name, value in shown.items()))
