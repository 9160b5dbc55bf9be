"""`amts run` and `amts follow`: one execution of the deployed machine, followed to its end."""

from __future__ import annotations

import datetime as dt
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from botocore.exceptions import ClientError

from cli import following, records
from cli.console import ExitStatus, console, print_error, print_hint
from cli.csv_folder import as_parquet
from cli.deployment import LOCAL, Deployment, connect, environment_name
from cli.outputs import require_writable, write_json
from lambdas.contracts.outputs import StackOutput
from lambdas.contracts.storage import DatasetsPrefix
from lambdas.contracts.tuning_run import TuningRequest
from lambdas.core import errors as domain_errors
from lambdas.core.errors import InvalidInputError

app = typer.Typer()

SOURCES = ("sample", "simulated", "yahoo")
_REJECTED = ("REJECTED", "SHADOWED", "SUPERSEDED", "BUSY")
_WRONG_INPUT = {
    name
    for name, error in vars(domain_errors).items()
    if isinstance(error, type) and issubclass(error, InvalidInputError)
}

EnvOption = Annotated[
    str | None, typer.Option("--env", help="Where: local, or a deployed environment. Default: $AMTS_ENV, else local.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write everything recorded of the run to this file.")]
FailOnRejectOption = Annotated[bool, typer.Option("--fail-on-reject", help="Exit status 3 if no model was promoted.")]


@app.command()
def run(
    data: Annotated[
        str | None,
        typer.Option("--data", help="sample, simulated, yahoo, a data set FOLDER, or s3://… Default: as deployed."),
    ] = None,
    as_of: Annotated[
        dt.datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Nothing later is used.")
    ] = None,
    lookback_days: Annotated[int | None, typer.Option("--lookback-days", help="Length of the walk-forward.")] = None,
    benchmark_period_days: Annotated[
        int | None, typer.Option("--benchmark-period-days", help="Length of the holdout.")
    ] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", help="Only these, e.g. AAPL,MSFT. Default: all.")] = None,
    mode: Annotated[
        Literal["comprehensive", "daily"], typer.Option("--mode", help="Retune, or assess the champion.")
    ] = "comprehensive",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check access and settings, fit nothing.")] = False,
    fail_on_reject: FailOnRejectOption = False,
    json_file: JsonOption = None,
    env: EnvOption = None,
) -> None:
    """Start one execution of the deployed machine and follow it to its verdict.

    Example: amts run --data sample

    Example: amts run --data simulated --lookback-days 730

    Example: amts run --env dev --dry-run

    Example: amts run --data my-data --symbols AAPL,MSFT,KO --json run.json --fail-on-reject
    """
    names = tuple(name.strip().upper() for name in symbols.split(",") if name.strip()) if symbols is not None else None
    source, folder = _source_or_folder(data)
    request = TuningRequest(
        data=source,
        symbols=names,
        as_of=as_of.date() if as_of else None,
        lookback_days=lookback_days,
        benchmark_period_days=benchmark_period_days,
        mode=mode,
        dry_run=dry_run,
        reason="amts run",
    )
    check_output(json_file)
    with tempfile.TemporaryDirectory() as scratch:
        # Wrong data is refused here, before anything is started or written.
        key = _checked_copy(folder, Path(scratch), request) if folder else None
        deployment = connect(environment_name(env))
        if key:
            uri = f"s3://{deployment[StackOutput.DATASETS_BUCKET]}/{DatasetsPrefix.UPLOADS}{key}"
            deployment.objects.upload_folder(Path(scratch), uri)
            request = request.model_copy(update={"data": uri})
    execution_arn = start(deployment, request)
    finish(deployment, execution_arn, json_file=json_file, fail_on_reject=fail_on_reject)


@app.command()
def follow(
    run_id: Annotated[str, typer.Argument(help="Name of the execution, as `amts run` and `amts status` print it.")],
    fail_on_reject: FailOnRejectOption = False,
    json_file: JsonOption = None,
    env: EnvOption = None,
) -> None:
    """Follow an execution that was started before, and print its verdict.

    Example: amts follow comprehensive-20261122T145051Z-23c123
    """
    check_output(json_file)
    deployment = connect(environment_name(env))
    finish(deployment, find_execution(deployment, run_id), json_file=json_file, fail_on_reject=fail_on_reject)


def start(deployment: Deployment, request: TuningRequest) -> str:
    """Start an execution of the machine that the request's mode names, and return its ARN."""
    machine = StackOutput.ASSESSMENT_MACHINE_ARN if request.mode == "daily" else StackOutput.TUNING_MACHINE_ARN
    run_id = f"{request.mode}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    started = deployment.step_functions.start_execution(
        stateMachineArn=deployment[machine],
        name=run_id,
        input=request.model_dump_json(exclude_defaults=True),
    )
    print_hint(f"Run {run_id} in {deployment.environment}")
    return started["executionArn"]


def find_execution(deployment: Deployment, run_id: str) -> str:
    """Return the ARN of the execution of that name.

    Raises
    ------
    InvalidInputError
        If neither machine has one.
    """
    for machine in (StackOutput.TUNING_MACHINE_ARN, StackOutput.ASSESSMENT_MACHINE_ARN):
        arn = f"{deployment[machine].replace(':stateMachine:', ':execution:')}:{run_id}"
        try:
            deployment.step_functions.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn"):
                continue
            raise
        return arn
    raise InvalidInputError(
        f"there is no run {run_id!r} in {deployment.environment}; `amts status` lists the last ones"
    )


def finish(deployment: Deployment, execution_arn: str, *, json_file: Path | None, fail_on_reject: bool) -> None:
    """Follow an execution, print how it ended and why, and leave with the exit status that says so."""
    run_id = execution_arn.rpartition(":")[2]
    try:
        ending = following.follow(deployment, execution_arn)
    except KeyboardInterrupt:
        option = "" if deployment.environment == LOCAL else f" --env {deployment.environment}"
        print_hint(f"\nThe run goes on. Follow it again with: amts follow {run_id}{option}")
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    gates = records.gates_of(deployment, run_id)
    output = ending.output or {}
    kind = str((deployment.analytics.run(run_id) or {}).get("kind", ""))
    records.print_gates(gates, expected=records.TUNING_GATES if kind == "tune" else ())
    if ending.status == "SUCCEEDED":
        console.print(f"\n[bold]{output.get('outcome', ending.status)}[/]  {output.get('message', '')}")
    else:
        print_error(": ".join(filter(None, (f"{run_id} ended {ending.status}", ending.error, ending.message))))
    files = records.fetch_report(deployment, run_id)
    records.print_report_place(files)
    if json_file:
        value = {**records.run_as_json(deployment, run_id, ending.status, files), "error": ending.error}
        write_json(json_file, value | {"cause": ending.message, "output": ending.output, "execution": execution_arn})
    raise typer.Exit(_exit_status(ending, output, fail_on_reject=fail_on_reject))


def _exit_status(ending: following.Ending, output: dict[str, Any], *, fail_on_reject: bool) -> ExitStatus:
    if ending.status != "SUCCEEDED":
        return ExitStatus.WRONG_INPUT if ending.error in _WRONG_INPUT else ExitStatus.FAILED
    if fail_on_reject and output.get("outcome") in _REJECTED:
        return ExitStatus.REJECTED
    return ExitStatus.OK


def _source_or_folder(data: str | None) -> tuple[str | None, Path | None]:
    if data is None or data in SOURCES or data.startswith("s3://"):
        return data, None
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise InvalidInputError(f"--data {data}: neither one of {', '.join(SOURCES)}, nor s3://…, nor a folder here")
    return None, folder


def _checked_copy(folder: Path, scratch: Path, request: TuningRequest) -> str:
    """Validate a data set folder, write what was read of it to `scratch`, and return its content hash."""
    from lambdas.core.market_data.dataset import dataset_hash, read_dataset, write_dataset

    # Symbols and dates are checked, not cut: the upload is the folder, and its name is the hash of its content.
    with as_parquet(str(folder)) as place:
        read_dataset(Path(place), symbols=request.symbols, as_of=request.as_of)
        dataset = read_dataset(Path(place))
    write_dataset(dataset, scratch)
    return dataset_hash(dataset)


def check_output(json_file: Path | None) -> None:
    """Refuse a path that cannot be written before an hour of work, not after it."""
    require_writable(json_file)
    if json_file is not None and json_file.is_dir():
        raise InvalidInputError(f"--json {json_file}: is a folder; name a file")
