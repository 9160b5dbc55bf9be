"""The commands of docs/commands.md that need a deployment, executed on one: with a run and a version that are there."""

from __future__ import annotations

import json
import re
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from deployed_app import App

from cli import main
from cli.documents.commands import commands, examples

pytestmark = pytest.mark.slow

RUN, VERSION = (
    re.compile(r"\b(?:comprehensive|daily)-\d{8}T\d{6}Z-[0-9a-f]{6}\b"),
    re.compile(r"\bv\d{8}-[0-9a-f]{12}\b"),
)
ELSEWHERE = {
    "amts local up": "the fixtures of this folder start emulators of their own",
    "amts local down": "it would stop the one that these tests share",
    "amts redrive": "tests/functional/test_operating.py stops a run first; this one was promoted",
    "amts rollback": "there is one champion only; tests/functional/test_promotion.py has two",
    "amts run": "test_executions.py runs the machines; what differs is the size of the market",
}


def documented() -> list[str]:
    names = ("amts status", "amts report", "amts follow", "amts local status")
    found = [one for name, command in commands() for one in examples(command) if name in names]
    return [one for one in found if "--env" not in one]


def test_what_is_left_out_here_says_why() -> None:
    needing = {
        name for name, _ in commands() if re.match(r"amts (run|follow|status|rollback|redrive|report|local)", name)
    }
    here = {" ".join(one.split()[: 3 if " local " in one else 2]) for one in documented()}
    assert needing == here | set(ELSEWHERE)


@pytest.mark.parametrize("line", documented())
def test_a_documented_command_does_what_it_says(
    line: str,
    app: App,
    promoted: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.chdir(tmp_path)
    words = VERSION.sub(promoted["version"], RUN.sub(promoted["run_id"], line)).split()[1:]

    assert main.call(main.app, words) == 0

    said = capsys.readouterr()
    assert len(opened) == ("--open" in words)
    pages = [Path(uri.removeprefix("file://")).read_text(encoding="utf-8") for uri in opened]
    shown = "\n".join([said.out, said.err, *pages])
    named = app.deployment.endpoint if "local" in words else promoted["run_id"]
    assert str(named) in shown


def test_the_numbers_of_status_are_those_of_the_run(
    app: App, promoted: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.call(main.app, ["status", "--json", "-"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["champion"]["version"] == promoted["version"]
    assert promoted["run_id"] in [run["run_id"] for run in status["runs"]]
