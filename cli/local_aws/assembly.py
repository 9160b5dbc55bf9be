"""What the emulator lacks, adapted on a copy of the cloud assembly. The stacks know nothing of it.

An image function needs a container engine there, so it becomes a `provided.al2023` function whose zip is one small
`bootstrap`: it runs the project's own Python, with the code of the working tree, under the real runtime client.
Nothing else of a template is touched.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from cli.console import SetupError

BOOTSTRAP_FOLDER = "bootstrap-asset"


def adapt(assembly: Path, target: Path, *, project: Path, code_hash: str) -> None:
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
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(assembly, target)
    script = bootstrap_script(project, code_hash)
    folder = target / BOOTSTRAP_FOLDER
    folder.mkdir()
    (folder / "bootstrap").write_text(script)
    (folder / "bootstrap").chmod(0o755)
    bootstrap_key = hashlib.sha256(script.encode()).hexdigest()

    for assets_file in sorted(target.glob("*.assets.json")):
        stack = assets_file.name.removesuffix(".assets.json")
        assets = _read(assets_file)
        destination = _destination(assets, stack, target)
        template = _read(target / f"{stack}.template.json")
        bucket = destination["bucketName"]
        if not adapt_template(template, bucket=bucket, key=f"{bootstrap_key}.zip"):
            continue
        _write(target / f"{stack}.template.json", template)
        assets["dockerImages"] = {}
        assets["files"][bootstrap_key] = {
            "source": {"path": BOOTSTRAP_FOLDER, "packaging": "zip"},
            "destinations": {"local": {**destination, "objectKey": f"{bootstrap_key}.zip"}},
        }
        _write(assets_file, assets)
        _rename_template_object(target, stack, assets_file)


def adapt_template(template: dict[str, Any], *, bucket: str, key: str) -> int:
    """Turn the image functions of a template into functions of the given zip, in place, and return how many it had.

    Examples
    --------
    >>> function = {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": "x"},
    ...             "ImageConfig": {"Command": ["lambdas.backtesting_engine.handler.handler"]}}}
    >>> adapt_template({"Resources": {"Function": function}}, bucket="assets", key="abc.zip")
    1
    >>> function["Properties"]["Handler"]
    'lambdas.backtesting_engine.handler.handler'
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
        del properties["PackageType"]
        properties["Runtime"] = "provided.al2023"
        properties["Handler"] = command[0]
        properties["Code"] = {"S3Bucket": {"Fn::Sub": bucket} if "${" in bucket else bucket, "S3Key": key}
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
