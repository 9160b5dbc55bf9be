"""Image functions become functions of a zip, and nothing else of a cloud assembly changes."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.console import SetupError
from cli.local_aws.assembly import adapt, adapt_template, bootstrap_script, image_script

BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
IMAGE_FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "PackageType": "Image",
        "Code": {"ImageUri": {"Fn::Sub": "…dkr.ecr…:1111"}},
        "ImageConfig": {"Command": ["lambdas.backtesting_engine.handler.handler"]},
        "Environment": {"Variables": {"AMTS_ENVIRONMENT": "local"}},
        "MemorySize": 2048,
        "Timeout": 600,
    },
}
TEMPLATE = {
    "Resources": {
        "Engine": IMAGE_FUNCTION,
        "Zip": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "python3.13", "Handler": "index.handler"}},
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
    },
    "Outputs": {"TuningMachineArn": {"Value": "arn"}},
}


def write_assembly(folder: Path, template: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / "amts.template.json").write_text(json.dumps(template))
    destination = {"bucketName": BUCKET, "objectKey": "0000.json", "assumeRoleArn": "arn:role"}
    entry = {"source": {"path": "amts.template.json", "packaging": "file"}, "destinations": {"current": destination}}
    assets = {
        "version": "48.0.0",
        "files": {"0000": entry},
        "dockerImages": {"1111": {"source": {"dockerBuildTarget": "data"}}},
    }
    (folder / "amts.assets.json").write_text(json.dumps(assets))
    (folder / "manifest.json").write_text(json.dumps({"url": f"s3://{BUCKET}/0000.json"}))


def test_only_the_image_function_changes_and_only_where_it_must() -> None:
    template: Any = copy.deepcopy(TEMPLATE)

    assert adapt_template(template, bucket=BUCKET, keys={"1111": "abc.zip"}) == 1

    expected: Any = copy.deepcopy(TEMPLATE)
    properties = expected["Resources"]["Engine"]["Properties"]
    del properties["PackageType"], properties["ImageConfig"]
    properties |= {
        "Runtime": "provided.al2023",
        "Handler": "lambdas.backtesting_engine.handler.handler",
        "Code": {"S3Bucket": {"Fn::Sub": BUCKET}, "S3Key": "abc.zip"},
    }
    assert template == expected


def test_an_image_function_without_a_command_is_refused() -> None:
    template: Any = copy.deepcopy(TEMPLATE)
    del template["Resources"]["Engine"]["Properties"]["ImageConfig"]

    with pytest.raises(SetupError, match="no command"):
        adapt_template(template, bucket=BUCKET, keys={"1111": "abc.zip"})


def test_the_copy_publishes_the_zip_and_the_changed_template_and_leaves_the_original(tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out", TEMPLATE)
    before = {file.name: file.read_bytes() for file in (tmp_path / "cdk.out").iterdir()}

    adapt(tmp_path / "cdk.out", tmp_path / "local", project=tmp_path, code_hash="c0de")

    assert {file.name: file.read_bytes() for file in (tmp_path / "cdk.out").iterdir()} == before
    assets = json.loads((tmp_path / "local" / "amts.assets.json").read_text())
    assert assets["dockerImages"] == {}
    template = json.loads((tmp_path / "local" / "amts.template.json").read_text())
    key = template["Resources"]["Engine"]["Properties"]["Code"]["S3Key"]
    zipped = assets["files"][key.removesuffix(".zip")]
    assert zipped["destinations"]["local"] == {"bucketName": BUCKET, "objectKey": key, "assumeRoleArn": "arn:role"}
    assert os.access(tmp_path / "local" / zipped["source"]["path"] / "bootstrap", os.X_OK)
    # The CLI does not upload a key that is there already, so the changed template needs a new one, everywhere.
    template_key = assets["files"]["0000"]["destinations"]["current"]["objectKey"]
    assert template_key != "0000.json"
    assert json.loads((tmp_path / "local" / "manifest.json").read_text()) == {"url": f"s3://{BUCKET}/{template_key}"}


def test_changed_code_is_another_zip_and_another_template(tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out", TEMPLATE)
    keys = set()
    for code_hash in ("one", "two"):
        adapt(tmp_path / "cdk.out", tmp_path / code_hash, project=tmp_path, code_hash=code_hash)
        template = json.loads((tmp_path / code_hash / "amts.template.json").read_text())
        keys.add(template["Resources"]["Engine"]["Properties"]["Code"]["S3Key"])

    assert len(keys) == 2


def test_the_bootstrap_is_a_shell_script_that_stands_a_path_with_blanks_and_quotes(tmp_path: Path) -> None:
    project = tmp_path / "it's a project"
    project.mkdir()
    script = bootstrap_script(project, "c0de").replace("exec ", "pwd; echo ")

    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={"_HANDLER": "a.b"}
    )

    where, command = done.stdout.splitlines()
    assert where == str(project)
    assert command.endswith(" a.b")


def test_each_function_runs_in_the_image_of_its_target_when_asked_to(tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out", TEMPLATE)

    adapt(tmp_path / "cdk.out", tmp_path / "local", project=tmp_path, code_hash="c0de", in_images=True)

    assets = json.loads((tmp_path / "local" / "amts.assets.json").read_text())
    template = json.loads((tmp_path / "local" / "amts.template.json").read_text())
    key = template["Resources"]["Engine"]["Properties"]["Code"]["S3Key"]
    zipped = tmp_path / "local" / assets["files"][key.removesuffix(".zip")]["source"]["path"] / "bootstrap"
    assert " amts-data " in zipped.read_text()


def test_a_container_gets_the_variables_of_the_function_and_no_others() -> None:
    script = image_script("ml", "c0de").replace("exec docker", "echo")
    variables = {
        "AMTS_MODEL": '{"a": 1}\n{"b": 2}',
        "AWS_REGION": "us-east-1",
        "SECRET": "x",
        "PATH": os.environ["PATH"],
    }

    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**variables, "_HANDLER": "a.b", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"},
    )

    words = done.stdout.split()
    named = {words[at + 1] for at, word in enumerate(words) if word == "--env"}
    assert {"AMTS_MODEL", "AWS_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"} <= named
    assert "SECRET" not in named
    assert (words[words.index("--memory") + 1], words[-2], words[-1]) == ("512m", "amts-ml", "a.b")
    assert "--read-only" in words
