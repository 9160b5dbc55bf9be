"""Bring the application up in the local AWS: synthesize, adapt, bootstrap, deploy, by the real CDK CLI.

Nothing is done twice: the hash of all that shapes the deployment lies beside its outputs, and a stack that carries it
and is alive is left alone. So a second `amts run` starts at once, and changed code or settings are deployed by it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from cli.console import SetupError, print_hint
from cli.deployment import LOCAL, Deployment, local_deployment
from cli.local_aws import assembly, emulator
from cli.local_aws.emulator import Emulator
from cli.local_aws.place import ACCOUNT, REGION, Place
from lambdas.contracts.outputs import pipeline_stack_name

_SHAPING = ("app.py", "cdk.json", "package-lock.json", "cdk_app", "lambdas", "cli/local_aws", "docker")
"""What a deployment is made from, besides the settings in the environment and the Python that runs it."""

BOOTSTRAP_STACK = "CDKToolkit"

IN_IMAGES = "AMTS_LOCAL_IMAGES"
"""Set to anything, the functions run in the images that `make images` built, where there is a container engine."""

_CODE = ("lambdas",)
"""What the functions run."""


def up(place: Place, port: int | None = None) -> Deployment:
    """Start the local AWS and deploy the application into it, unless both are there.

    Raises
    ------
    SetupError
        If `make setup` has not been run, or the CDK CLI fails; its output is in the message.
    """
    running = emulator.start(place, port)
    with emulator.exclusive(place, "deploy"):
        fingerprint = _fingerprint(place)
        deployed = current(place, running)
        if deployed is not None and _recorded(place).get("fingerprint") == fingerprint:
            return deployed
        print_hint("Synthesizing the stacks ...")
        _synthesize(place)
        print_hint(f"Deploying them into the local AWS at {running.endpoint} ...")
        adapted = place.home / "cdk.local"
        assembly.adapt(
            place.assembly,
            adapted,
            project=place.project,
            code_hash=_hash(place.project, _CODE),
            in_images=bool(os.environ.get(IN_IMAGES)),
        )
        outputs = _deploy(place, running, adapted)
        _record_file(place).write_text(json.dumps({"fingerprint": fingerprint, "outputs": outputs}, indent=1))
        return local_deployment(running.endpoint, outputs)


def current(place: Place, running: Emulator) -> Deployment | None:
    """Return what is deployed in a running emulator, or None. Its outputs may be of an older state of the code."""
    outputs = _recorded(place).get("outputs")
    if not isinstance(outputs, dict):
        return None
    if not _is_complete(running, pipeline_stack_name(LOCAL)):
        return None
    return local_deployment(running.endpoint, outputs)


def attach(place: Place) -> Deployment:
    """Start the local AWS with its kept state and return what is deployed in it.

    Raises
    ------
    SetupError
        If nothing was ever deployed there.
    """
    if not _recorded(place):
        raise SetupError("nothing is deployed in the local AWS yet. Run: amts run, or amts local up")
    return current(place, emulator.start(place)) or up(place)


def _synthesize(place: Place) -> None:
    # By the Python that runs this command, wherever its environment is.
    python = shlex.quote(sys.executable)
    _cdk(place, "synth", "--quiet", "--app", f"{python} app.py", "--output", str(place.assembly))


def _deploy(place: Place, running: Emulator, adapted: Path) -> dict[str, str]:
    outputs_file = place.home / "outputs.json"
    outputs_file.unlink(missing_ok=True)
    if not _is_complete(running, BOOTSTRAP_STACK):
        _cdk(place, "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", str(adapted), endpoint=running.endpoint)
    _cdk(
        place, "deploy", "--all", "--app", str(adapted), "--require-approval", "never", "--method", "direct",
        "--outputs-file", str(outputs_file), endpoint=running.endpoint,
    )  # fmt: skip
    by_stack: dict[str, dict[str, str]] = json.loads(outputs_file.read_text())
    return by_stack.get(pipeline_stack_name(LOCAL), {})


def _is_complete(running: Emulator, stack: str) -> bool:
    session = local_deployment(running.endpoint, {}).session
    cloudformation = session.client("cloudformation", endpoint_url=running.endpoint)
    try:
        stacks = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError):
        return False
    return bool(stacks) and stacks[0]["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def _cdk(place: Place, *arguments: str, endpoint: str | None = None) -> None:
    cdk = place.project / "node_modules" / ".bin" / "cdk"
    if not cdk.exists():
        raise SetupError("the CDK CLI is not installed. Run: make setup")
    environment = place.environment() | _settings() | {"AMTS_ENV": LOCAL, "CI": "1", "NO_COLOR": "1"}
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint
    done = subprocess.run(  # noqa: S603 - the project's pinned CDK CLI
        [place.tool("node"), cdk, "--no-version-reporting", "--no-notices", *arguments],
        cwd=place.project, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        last_words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-40:])
        raise SetupError(f"cdk {arguments[0]} failed:\n{last_words}")


def _settings() -> dict[str, str]:
    """Return the settings that were given in the environment, and as many folds at a time as there are cores."""
    own = ("AMTS_ENV", "AMTS_TOOLS", "AMTS_LOCAL_HOME", IN_IMAGES)
    given = {name: value for name, value in os.environ.items() if name.startswith("AMTS_") and name not in own}
    return {"AMTS_MAP__MAX_CONCURRENCY_FOLDS": str(_processes())} | given


def _processes() -> int:
    """Return how many functions may work side by side: one a core, and at most eight, for each holds a data set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)


def _fingerprint(place: Place) -> str:
    runs_on = os.environ.get(IN_IMAGES, "")
    environment = json.dumps([_settings(), sys.executable, str(place.project), runs_on], sort_keys=True)
    return hashlib.sha256((_hash(place.project, _SHAPING) + environment).encode()).hexdigest()


def _hash(project: Path, parts: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        path = project / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(project)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _record_file(place: Place) -> Path:
    return place.state / "deployment.json.amts"


def _recorded(place: Place) -> dict[str, object]:
    try:
        content = json.loads(_record_file(place).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
