"""What the emulator lacks, adapted on a copy of the cloud assembly. The stacks know nothing of it.

An image function needs a registry and a container engine there, so it becomes a `provided.al2023` function whose zip
is one small `bootstrap`: it runs the project's own Python, with the code of the working tree, under the real runtime
client; or, to try the images themselves, a container of the function's image. Nothing else of a template is touched.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.console import SetupError

HANDLER_LABEL = "amts.handler"
"""On a container, the handler that it runs: the engine's events tell which functions were there."""

BOOTSTRAP_FOLDER = "bootstrap-asset"


def adapt(assembly: Path, target: Path, *, project: Path, code_hash: str, in_images: bool = False) -> None:
    """Write an adapted copy of a cloud assembly.

    Parameters
    ----------
    assembly
        What `cdk synth` wrote. It is not changed.
    target
        Where the copy goes; what was there is replaced.
    project
        Root of the checkout whose code the functions run.
    code_hash
        Hash of that code. It is part of the zip, so changed code is a changed function and warm processes are replaced.
    in_images
        Run each function in a container of the image that `make images` built for it, with the memory and the
        read-only file system of Lambda, in place of the project's own Python.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(assembly, target)
    for assets_file in sorted(target.glob("*.assets.json")):
        stack = assets_file.name.removesuffix(".assets.json")
        assets = _read(assets_file)
        destination = _destination(assets, stack, target)
        template = _read(target / f"{stack}.template.json")
        keys = {}
        for image, asset in assets.get("dockerImages", {}).items():
            image_target = asset["source"]["dockerBuildTarget"]
            script = image_script(image_target, code_hash) if in_images else bootstrap_script(project, code_hash)
            keys[image] = _add_bootstrap(assets, script, target, destination)
        if not adapt_template(template, bucket=destination["bucketName"], keys=keys):
            continue
        _write(target / f"{stack}.template.json", template)
        assets["dockerImages"] = {}
        _write(assets_file, assets)
        _rename_template_object(target, stack, assets_file)


def adapt_template(template: dict[str, Any], *, bucket: str, keys: Mapping[str, str]) -> int:
    """Turn the image functions of a template into functions of zips, in place, and return how many it had.

    `keys` names the zip of each image, by the hash that the image's URI ends with.

    Examples
    --------
    >>> function = {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image",
    ...             "Code": {"ImageUri": "registry:1f"},
    ...             "ImageConfig": {"Command": ["lambdas.backtesting_engine.handler.handler"]}}}
    >>> adapt_template({"Resources": {"Function": function}}, bucket="assets", keys={"1f": "abc.zip"})
    1
    >>> function["Properties"]["Handler"], function["Properties"]["Code"]["S3Key"]
    ('lambdas.backtesting_engine.handler.handler', 'abc.zip')
    """
    functions = [
        resource["Properties"]
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == "AWS::Lambda::Function" and resource["Properties"].get("PackageType") == "Image"
    ]
    for properties in functions:
        command = properties.pop("ImageConfig", {}).get("Command")
        if not command:
            raise SetupError("an image function has no command, so the local AWS does not know its handler")
        uri = properties["Code"]["ImageUri"]
        image = str(uri["Fn::Sub"] if isinstance(uri, dict) else uri).rpartition(":")[2]
        del properties["PackageType"]
        properties["Runtime"] = "provided.al2023"
        properties["Handler"] = command[0]
        properties["Code"] = {"S3Bucket": {"Fn::Sub": bucket} if "${" in bucket else bucket, "S3Key": keys[image]}
    return len(functions)


def bootstrap_script(project: Path, code_hash: str) -> str:
    """Return the shell script that stands for the image: the project's Python under a Lambda runtime client."""
    # The real client has Linux wheels only; elsewhere a loop over the same HTTP interface takes its place.
    client = "awslambdaric" if sys.platform == "linux" else "cli.local_aws.runtime_client"
    return "\n".join(
        (
            "#!/bin/sh",
            f"# Code of the functions: {code_hash}. Another hash makes another zip, and so fresh processes.",
            f"cd {shlex.quote(str(project))} || exit 1",
            f'exec {shlex.quote(sys.executable)} -m {client} "$_HANDLER"',
            "",
        )
    )


def image_script(target: str, code_hash: str) -> str:
    """Return the shell script that starts a function's own image, held to what Lambda allows it.

    The container speaks to the Runtime API of the emulator and to its services on loopback, sees the function's
    variables and nothing else, has the function's memory, a file system that cannot be written but for /tmp, and no
    privileges.
    """
    return "\n".join(
        (
            "#!/bin/sh",
            f"# Code of the functions: {code_hash}.",
            "variables=$(env | sed -n 's/^\\(\\(AMTS\\|AWS\\|POWERTOOLS\\)_[A-Z0-9_]*\\)=.*/--env \\1/p')",
            'memory="${AWS_LAMBDA_FUNCTION_MEMORY_SIZE:-2048}m"',
            "# shellcheck disable=SC2086 -- one argument a word, on purpose",
            "exec docker run --rm --network host --read-only --tmpfs /tmp --user 993:990 --cap-drop ALL \\",
            '  --memory "$memory" --memory-swap "$memory" $variables --env LAMBDA_TASK_ROOT=/var/task \\',
            f'  --label "{HANDLER_LABEL}=$_HANDLER" amts-{target} "$_HANDLER"',
            "",
        )
    )


def _add_bootstrap(assets: dict[str, Any], script: str, target: Path, destination: dict[str, Any]) -> str:
    """List a script as a zip among the assets of a stack, and return its key."""
    content_hash = hashlib.sha256(script.encode()).hexdigest()
    file = target / f"{BOOTSTRAP_FOLDER}-{content_hash[:12]}" / "bootstrap"
    file.parent.mkdir(exist_ok=True)
    file.write_text(script)
    file.chmod(0o755)
    assets["files"][content_hash] = {
        "source": {"path": file.parent.name, "packaging": "zip"},
        "destinations": {"local": {**destination, "objectKey": f"{content_hash}.zip"}},
    }
    return f"{content_hash}.zip"


def _destination(assets: dict[str, Any], stack: str, target: Path) -> dict[str, Any]:
    for entry in assets["files"].values():
        if entry["source"]["path"] == f"{stack}.template.json":
            return dict(next(iter(entry["destinations"].values())))
    raise SetupError(f"{target / stack}.assets.json does not list its own template; was it made by another CDK?")


def _rename_template_object(target: Path, stack: str, assets_file: Path) -> None:
    """Give the changed template a key of its own: the CLI does not upload what the bucket holds already."""
    content_hash = hashlib.sha256((target / f"{stack}.template.json").read_bytes()).hexdigest()
    assets = _read(assets_file)
    for entry in assets["files"].values():
        if entry["source"]["path"] == f"{stack}.template.json":
            for destination in entry["destinations"].values():
                old_key, destination["objectKey"] = destination["objectKey"], f"{content_hash}.json"
    _write(assets_file, assets)
    manifest = target / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f"/{old_key}", f"/{content_hash}.json"))


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1))
