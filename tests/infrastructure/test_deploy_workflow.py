"""docs/deploy_workflow.yml: what it runs exists, it holds no secret, and a token for AWS is where it is used."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml
from project import ROOT

FILE = ROOT / "docs" / "deploy_workflow.yml"
TEXT = FILE.read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
COMMANDS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_is_one_that_make_knows(command: str) -> None:
    line = re.sub(r"\$\{\{ .*?\}\}", "dev", command)
    assert line.startswith("make ")
    done = subprocess.run(  # noqa: S602 - a line of our own file, as the shell of the runner reads it
        f"{line} --dry-run", shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "CDK_ARGS" in command:
        assert re.findall(r'CDK_ARGS="(.*?)"', command)[0] in done.stdout


def test_it_builds_tests_compares_and_deploys() -> None:
    targets = {re.findall(r"make ([a-z-]+)", command)[0] for command in COMMANDS}
    assert targets == {"setup", "lint", "test", "synth", "images", "image-test", "diff", "deploy"}
    assert set(JOBS["deploy"]["needs"]) == {"test", "images"}
    assert JOBS["deploy"]["environment"], "nobody is asked"
    assert "refs/heads/main" in JOBS["deploy"]["if"]


def test_it_reads_no_secret_and_names_no_account() -> None:
    assert "secrets." not in TEXT
    assert not re.search(r"\d{12}|arn:|AKIA", TEXT)
    assert "pull_request_target" not in TEXT  # it would run a stranger's code with our token
    used = set(re.findall(r"vars\.([A-Z_]+)", TEXT))
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert used == {"AMTS_ENV", "AMTS_REGION", "AMTS_DIFF_ROLE_ARN", "AMTS_DEPLOY_ROLE_ARN"}
    assert [name for name in used if f"`{name}`" not in runbook] == []


def test_only_jobs_that_assume_a_role_get_a_token() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for name, job in JOBS.items():
        assumes = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
        assert ("id-token" in job.get("permissions", {})) is assumes, name
        if assumes:
            assert "vars.AMTS_" in job["if"], f"{name} would fail where no role is configured"
        order = [step.get("uses", step.get("run", "")).split("@")[0] for step in job["steps"]]
        if assumes:
            assert order.index("make setup") < order.index("aws-actions/configure-aws-credentials"), name


def test_actions_are_pinned_and_the_checkout_keeps_no_token() -> None:
    steps = [step for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[a-z-]+/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]) for step in steps)
    checkouts = [step for step in steps if step["uses"].startswith("actions/checkout@")]
    assert len(checkouts) == len(JOBS)
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_the_runbook_leads_to_it() -> None:
    assert "docs/deploy_workflow.yml" in (ROOT / "docs" / "runbook.md").read_text().replace("](", " docs/")
