"""`amts tear-sheet` on a data set folder, `amts report` on recorded runs: pages that come out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_reports
import pandas as pd
import pytest

from cli import records, report
from cli.main import app, call
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.values import Evaluation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("market") / "data"
    write_dataset(made_reports.simulated(), place)
    return place


@pytest.fixture(scope="module")
def mine() -> pd.DataFrame:
    return made_reports.predictions_of(made_reports.simulated(), 0.3, 1.0)


def tear_sheet(folder: Path, frame: pd.DataFrame, out: Path, *more: str) -> int:
    file = out.with_suffix(".csv")
    frame.to_csv(file, index=False)
    return call(app, ["tear-sheet", "--data", str(folder), "--predictions", str(file), "--out", str(out), *more])


def test_a_tear_sheet_has_the_numbers_of_the_backtest(folder: Path, mine: pd.DataFrame, tmp_path: Path) -> None:
    out, numbers = tmp_path / "mine.html", tmp_path / "numbers.json"
    assert tear_sheet(folder, mine, out, "--trials", "5") == 0
    arguments = ["--data", str(folder), "--predictions", str(out.with_suffix(".csv")), "--json", str(numbers)]
    assert call(app, ["backtest", *arguments, "--trials", "5"]) == 0
    found = json.loads(numbers.read_text())
    page = out.read_text(encoding="utf-8")
    for value in (found["hit_rate"], found["base_rate"]):
        assert f"{value * 100:.1f}\u00a0%" in page
    assert "Would" in page
    assert "is the claim of whoever made the file" in page
    assert "mine.csv" in page


@pytest.mark.parametrize("sessions", [25, 70])
def test_a_few_sessions_are_a_holdout_of_their_own(
    folder: Path, mine: pd.DataFrame, tmp_path: Path, sessions: int
) -> None:
    days = sorted(mine["date"].unique())[-sessions:]
    few = mine[mine["date"].isin(days)].drop(columns="fold")
    assert tear_sheet(folder, few, tmp_path / "few.html") == 0
    page = (tmp_path / "few.html").read_text(encoding="utf-8")
    assert "Hit rate by fold: not measured" in page.replace("<strong>", "").replace("</strong>", "")


def test_a_file_may_recommend_by_itself(folder: Path, mine: pd.DataFrame, tmp_path: Path) -> None:
    chosen = mine.assign(recommended=mine["symbol"] == "SIM05")
    assert tear_sheet(folder, chosen, tmp_path / "one.html") == 0
    assert "The column `recommended` of the file decides" in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_the_length_of_the_holdout_is_chosen(folder: Path, mine: pd.DataFrame) -> None:
    from cli.tear_sheet import tear_sheet_of

    for days in (45, 180):
        settings = made_reports.SETTINGS.model_copy(
            update={
                "walk_forward": made_reports.SETTINGS.walk_forward.model_copy(update={"benchmark_period_days": days})
            }
        )
        evaluation = tear_sheet_of(made_reports.simulated(), mine, settings, n_trials=None, name="mine").evaluation
        assert isinstance(evaluation, Evaluation)
        assert evaluation.holdout is not None
        length = evaluation.holdout.last_session - evaluation.holdout.first_session
        assert days - 7 <= length.days < days


@pytest.mark.parametrize(
    ("out", "says"), [("mine.txt", "let the name end in .html"), ("missing/mine.html", "does not exist")]
)
def test_a_wrong_place_is_refused_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, says: str
) -> None:
    (tmp_path / "mine.csv").write_text("date,symbol,probability\n")
    arguments = ["--predictions", str(tmp_path / "mine.csv"), "--out", str(tmp_path / out)]
    assert call(app, ["tear-sheet", "--data", str(folder), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_nothing_is_left_of_a_tear_sheet_that_could_not_be_made(folder: Path, tmp_path: Path) -> None:
    bad = pd.DataFrame({"date": ["2016-01-04"], "symbol": ["NOBODY"], "probability": [0.5]})
    assert tear_sheet(folder, bad, tmp_path / "bad.html") == 2
    assert [file.name for file in tmp_path.iterdir()] == ["bad.csv"]


RUNS: list[dict[str, Any]] = [
    {"run_id": "newest", "started_at": "2026-11-22T02:00:00+00:00"},
    {"run_id": "rejected", "outcome": "REJECTED", "message": "Stopped.", "started_at": "2026-11-15T02:00:00+00:00"},
    {"run_id": "daily", "outcome": "ASSESSED", "message": "Five.", "started_at": "2026-11-14T02:00:00+00:00"},
]


class Recorded(SimpleNamespace):
    """A deployment whose outputs all have one name."""

    def __getitem__(self, output: str) -> str:
        return "bucket"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A deployment with three runs, one of which has a report; and what the browser was asked to open."""
    content = {"rejected": {"report.html": "<h1>Not deployed</h1>", "verdict.json": "{}"}}

    def download(uri: str, file: Path) -> None:
        file.write_text(content[uri.split("/")[-2]][file.name])

    deployment = Recorded(
        environment="local",
        analytics=SimpleNamespace(
            run=lambda run_id: next((run for run in RUNS if run["run_id"] == run_id), None),
            last_runs=lambda last: RUNS[:last],
            gates=lambda run_id: {},
        ),
        objects=SimpleNamespace(names=lambda prefix: sorted(content.get(prefix.split("/")[-1], {})), download=download),
    )
    monkeypatch.setattr(report, "attach", lambda environment: deployment)
    monkeypatch.setattr(records, "report_folder", lambda environment: tmp_path / "reports")
    urls: list[str] = []
    monkeypatch.setattr(report.webbrowser, "open", urls.append)
    return urls


def test_a_report_is_fetched_and_opened(opened: list[str], tmp_path: Path) -> None:
    assert call(app, ["report", "rejected", "--open"]) == 0
    page = tmp_path / "reports" / "rejected" / "report.html"
    assert opened == [page.as_uri()]
    assert page.read_text() == "<h1>Not deployed</h1>"


def test_the_list_of_runs_stands_beside_their_folders(opened: list[str], tmp_path: Path) -> None:
    assert call(app, ["report", "--index", "--open", "--out", str(tmp_path / "here")]) == 0
    index = tmp_path / "here" / "index.html"
    assert opened == [index.as_uri()]
    assert 'href="rejected/report.html"' in index.read_text(encoding="utf-8")
    assert (tmp_path / "here" / "rejected" / "report.html").is_file()
    assert not (tmp_path / "here" / "daily").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report"], "name a run, or ask for the list"),
        (["report", "rejected", "--index"], "name a run, or ask for the list"),
        (["report", "--index", "--json", "all.json"], "--json goes with one run"),
        (["report", "unheard-of"], "there is no run 'unheard-of'"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    opened: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert call(app, arguments) == 2
    assert says in capsys.readouterr().err
    assert opened == []
