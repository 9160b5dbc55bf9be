"""Help as a stranger reads it on 80 columns, and what the shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.documents.commands import commands, examples
from cli.main import app, call

ALL = dict(commands())


def squeezed(text: str) -> str:
    return re.sub(r"[\s│╭╮╰╯─]+", "", text)


@pytest.mark.parametrize("name", ALL)
def test_help_loses_no_word_on_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Brackets in a help text are markup to rich: what stands in them would vanish."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    assert call(app, [*name.split()[1:], "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    words = squeezed(text)
    for one in examples(ALL[name]):
        assert squeezed(one) in words
    for parameter in ALL[name].params:
        for word in (parameter.help or "").split():
            assert squeezed(word) in words, f"{parameter.name}: {word}"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("amts wa", {"walk-forward"}),
        ("amts tear-sheet --pre", {"--predictions"}),
        ("amts run --mode ", {"comprehensive", "daily"}),
        ("amts backtest --data s", {"sample", "simulated"}),
        ("amts local ", {"up", "down", "status"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(typed: str, offered: set[str]) -> None:
    program = Path(sys.executable).with_name("amts")
    if not program.exists():
        pytest.skip("amts is not installed beside this Python")
    words = typed.split()
    asked = {
        "_AMTS_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) if typed.endswith(" ") else len(words) - 1),
    }
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=False)  # noqa: S603
    assert set(done.stdout.split()) == offered
