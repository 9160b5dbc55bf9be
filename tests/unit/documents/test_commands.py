"""Every command and every piece of Python in the documents does what it says: it is executed, or says why not."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
import shutil
import subprocess
import tomllib
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from documented import PAGES, ROOT, blocks, inline_commands

from cli.documents.commands import commands
from cli.inputs import read_settings
from cli.main import app, call
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource

LOCAL_AWS = "needs a deployment: tests/local_aws/test_documented_commands.py executes it on one, or says where else"
ACCOUNT = "needs an AWS account"
EXCEPTIONS: dict[str, str] = {
    r"make (demo|test|bench|bench-models|controls|image-test)": "takes minutes to hours, or runs these tests",
    r"make (setup|lock|lint)": "installs, resolves or checks what these tests stand on",
    r"make (synth|images|sbom|clean)": "tests/infrastructure synthesizes; images and cleaning are not for a test",
    r"make docs": "test_generated.py compares what it would write",
    r"make (deploy|diff|bootstrap)": ACCOUNT,
    r"aws |export |git |cd ": "a program of others; what it prepares is tested with what needs it",
    r"amts .*--env (dev|prod|staging)(?! --changed)": ACCOUNT,
    r"amts (run|follow|status|rollback|redrive|report|local) ?": LOCAL_AWS,
    r"amts collect --data yahoo": "needs the network; tests/unit/market_data/sources replays it",
    r"amts simulate": "a year takes minutes: tests/functional/test_simulation.py lives through a shorter one",
}
"""Commands that are not executed here, by what they begin with, and why. They must parse all the same."""

READ_BEFORE = {ROOT / "README.md": ROOT / "docs" / "own_predictions.md"}
"""What a page sends its reader to first: the README takes its `mine.csv` from there."""

QUICK = {
    "AMTS_MODEL__WALK_FORWARD__WINDOW_DAYS": "120",
    "AMTS_MODEL__TUNING__N_TRIALS": "1",
    "AMTS_MODEL__TUNING__INNER_FOLDS": "2",
    "AMTS_MODEL__TUNING__NETWORK_SEEDS": "1",
    "AMTS_MODEL__EVIDENCE__BOOTSTRAP_DRAWS": "200",
    "AMTS_MODEL__EVIDENCE__RANDOM_PORTFOLIOS": "50",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: a data set FOLDER, one of CSV files, and predictions of one's own."""
    place = tmp_path_factory.mktemp("reader")
    source = SimulatedSource(n_symbols=12, first=dt.date(2016, 1, 4), last=dt.date(2019, 12, 31))
    dataset = source.load(None, as_of=None).dataset
    write_dataset(dataset, place / "FOLDER")
    (place / "my-csv-files").mkdir()
    for file in (place / "FOLDER").glob("*.parquet"):
        pd.read_parquet(file).to_csv(place / "my-csv-files" / f"{file.stem}.csv", index=False)
    rng = np.random.default_rng(0)
    days = dataset.sessions[-250:]
    index = pd.MultiIndex.from_product([days, dataset.prices.symbols], names=["date", "symbol"])
    frame = pd.DataFrame({"probability": rng.uniform(0.4, 0.7, len(index))}, index=index).reset_index()
    frame.to_csv(place / "mine.csv", index=False)
    return place


def reason_of(command: list[str]) -> str | None:
    line = " ".join(command)
    return next((reason for pattern, reason in EXCEPTIONS.items() if re.match(pattern, line)), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_can_be_run(
    page: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "reader"
    shutil.copytree(prepared, place)
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    monkeypatch.chdir(place)
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    if page in READ_BEFORE:
        run_page(READ_BEFORE[page], place)
    run_page(page, place)


def run_page(page: Path, place: Path) -> None:
    """Run the blocks of a page in their order, as its reader would."""
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, page.name, "exec"), names)  # noqa: S102 - our own pages
        elif block.language == "toml":
            (place / "settings.toml").write_text(block.text)
            read_settings(place / "settings.toml")
            tomllib.loads(block.text)
        for command in block.commands:
            check(command)
            if reason_of(command) is None:
                assert command[0] == "amts", f"{' '.join(command)}: neither executed nor an exception"
                assert call(app, command[1:]) == 0, " ".join(command)


def check(command: list[str]) -> None:
    """Look at a command without running it: it is there, and so are its options."""
    known = {name: {option for one in command.params for option in one.opts} for name, command in commands()}
    match command:
        case ["amts", *words]:
            words = [word for word in words if word not in ("--debug",)]
            if not words or words[0].startswith("-"):
                return
            name = next((f"amts {' '.join(words[:n])}" for n in (2, 1) if f"amts {' '.join(words[:n])}" in known), None)
            assert name or words[0] == "local", f"{' '.join(command)}: there is no such command"
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            unknown = options - known.get(name or "", options) - {"--help"}
            assert not unknown, f"{' '.join(command)}: no option {', '.join(unknown)}"
        case ["make", *words]:
            targets = [word for word in words if "=" not in word]
            done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)  # noqa: S603, S607
            assert done.returncode == 0, done.stderr
            assert targets
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_running_text_exist_with_their_options(page: Path) -> None:
    for command in inline_commands(page):
        check(command)


def test_every_exception_is_used() -> None:
    """An exception that nothing needs any more would hide the next command that begins like it."""
    lines = [" ".join(command) for page in PAGES for block in blocks(page) for command in block.commands]
    texts = lines + [" ".join(command) for page in PAGES for command in inline_commands(page)]
    unused = [pattern for pattern in EXCEPTIONS if not any(re.match(pattern, line) for line in texts)]
    assert unused == []
    assert len([line for line in lines if reason_of(line.split()) is None]) >= 12


@pytest.mark.parametrize(
    "wrong", ["amts backtest --presictions x", "amts walkforward", "make dmeo", "python -m cli.nope"]
)
def test_a_wrong_command_is_noticed(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong.split())
