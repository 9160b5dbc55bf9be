"""What a page says: the verdict, every number, and nothing that data could smuggle in as markup."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import made_reports
import pytest
from made_reports import EVIL

from lambdas.core.gates import check
from lambdas.core.values import GateRecord
from lambdas.report import page as page_module
from lambdas.report.facts import RunReport
from lambdas.report.index import RunEntry, render_index
from lambdas.report.numbers import percent, points, ratio
from lambdas.report.page import render_report, script_json, sections_of
from lambdas.report.sections.performance import drawdowns
from lambdas.report.verdict import gates, headline


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def deployed() -> RunReport:
    return made_reports.validated(made_reports.simulated(), 0.5)


@pytest.fixture(scope="module")
def page(deployed: RunReport) -> str:
    return render_report(deployed)


def test_the_page_needs_nothing_else(page: str) -> None:
    for tag, attributes in Elements(page).found:
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), (tag, attributes)


@pytest.mark.parametrize("make", [made_reports.stopped_at_the_data, made_reports.failed])
def test_data_is_text_and_never_markup(make: object) -> None:
    report = make()  # type: ignore[operator]
    elements = Elements(render_report(report))
    assert "img" not in {tag for tag, _ in elements.found}
    assert not [attributes for _, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    if report.quality:
        assert EVIL in elements.text


def test_json_in_a_script_cannot_end_it(page: str) -> None:
    written = str(script_json({"name": EVIL, "line": "\u2028"}))
    assert not set("<>&\u2028") & set(written)
    assert json.loads(written) == {"name": EVIL, "line": "\u2028"}
    embedded = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert embedded
    assert set(json.loads(embedded[1])) >= {"equity", "folds", "calibration"}


def test_dates_of_a_figure_are_written_once(page: str) -> None:
    embedded = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert embedded
    equity = json.loads(embedded[1])["equity"]["data"]
    assert isinstance(equity[0]["x"], list)
    assert [trace["x"] for trace in equity[1:]] == [0] * (len(equity) - 1)


def test_numbers_of_the_first_screen_are_those_of_the_gates(deployed: RunReport, page: str) -> None:
    text = Elements(page).text
    assert deployed.evaluation is not None
    backtesting = next(gate for gate in deployed.gates if gate.gate == "backtesting")
    assert backtesting.base_rate is not None
    rate, skill = backtesting.checks[:2]
    assert rate.estimate is not None
    assert skill.bound is not None
    for written in (percent(rate.estimate), percent(backtesting.base_rate), points(skill.bound), "> 60"):
        assert written in text
    for gate in deployed.gates:
        assert gate.reason in text
    sharpe = deployed.evaluation.trailing.sharpe_ratio
    assert sharpe is not None
    assert ratio(sharpe) in text


def test_every_kind_of_end_has_every_section(deployed: RunReport) -> None:
    sections = [section.id for section in sections_of(deployed)]
    for report in (made_reports.stopped_at_backtesting(made_reports.simulated()), made_reports.failed()):
        found = [section.id for section in sections_of(report)]
        assert sorted(found) == sorted(sections)
        assert found.index("run") < found.index("recommendations"), "what was measured comes first"


def test_headlines_say_what_happened(deployed: RunReport) -> None:
    assert headline(deployed).word == "Deployed"
    assert [gate.label for gate in gates(deployed)] == ["PASS"] * 5
    stopped = made_reports.stopped_at_backtesting(made_reports.simulated())
    assert headline(stopped).word.startswith("Not deployed")
    assert [gate.label for gate in gates(stopped)][2:] == ["NOT REACHED"] * 3


def test_missing_evidence_is_told_from_a_missed_threshold() -> None:
    missing = GateRecord(
        gate="risk",
        verdict="INSUFFICIENT_EVIDENCE",
        checks=(check("sharpe_ratio", 1.2, ">", 1.0), check("deflated_sharpe", 0.7, ">=", 0.95, "evidence")),
        reason="Too little.",
    )
    found = headline(RunReport(run={"outcome": "REJECTED", "message": "No."}, gates=(missing,)))
    assert (found.word, found.tone) == ("Not deployed: evidence is missing", "open")


def test_a_shadow_that_takes_over_is_told_from_the_candidate() -> None:
    stopped = made_reports.stopped_at_backtesting(made_reports.simulated())
    passed = GateRecord(gate="deployment", verdict="PASS", checks=(), reason="Every gate passed.")
    report = replace(
        stopped, run={**stopped.run, "outcome": "PROMOTED", "message": "v0 is champion."}, shadow_gates=(passed,)
    )
    found = headline(report)
    assert found.word == "Deployed: the shadow"
    assert found.sentences[:2] == ("v0 is champion.", "Every gate passed.")
    assert "own candidate was stopped by the backtesting gate" in found.sentences[2]
    assert "shadow" in [section.id for section in sections_of(report)]
    assert "shadow" not in [section.id for section in sections_of(stopped)]


def test_gates_are_those_that_the_machine_asks() -> None:
    daily = RunReport(run={"workflow": "daily-assessment", "outcome": "REJECTED"})
    assert [gate.name for gate in gates(daily)] == ["Data quality", "Live"]
    assert gates(RunReport(run={"workflow": "advanced-model-tuning", "outcome": "ROLLED_BACK"})) == ()


def test_a_drawdown_bound_is_at_most_and_a_hit_rate_bound_at_least() -> None:
    risk = GateRecord(
        gate="risk",
        verdict="PASS",
        checks=(
            check("max_drawdown", 0.1, "<", 0.15, bound=0.14),
            check("sharpe_ratio", 1.2, ">", 1.0, bound=0.4),
        ),
        reason="Fine.",
    )
    risks = next(view for view in gates(RunReport(run={}, gates=(risk,))) if view.checks)
    assert [one.side for one in risks.checks] == ["at most", "at least"]


def test_a_page_without_the_plotting_library_says_so(deployed: RunReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "plotting_library", lambda: None)
    text = Elements(render_report(deployed)).text
    assert "Figures are left out" in text
    assert "by plotly.js" not in text


def test_the_list_of_runs_is_escaped_and_links_what_has_a_report() -> None:
    runs = [
        {"run_id": "one", "outcome": "PROMOTED", "message": EVIL, "started_at": dt.date(2026, 11, 22).isoformat()},
        {"run_id": "two", "outcome": "DRY_RUN", "message": "All there."},
        {"run_id": "three"},
    ]
    elements = Elements(render_index([RunEntry.of(run) for run in runs]))
    assert [attributes["href"] for tag, attributes in elements.found if tag == "a"] == ["one/report.html"]
    assert "img" not in {tag for tag, _ in elements.found}
    assert EVIL in elements.text
    assert "Running, or stopped from outside" in elements.text


def test_drawdowns_fall_from_the_starting_capital_too() -> None:
    assert drawdowns([0.8, 1.0, 0.5]) == pytest.approx([-0.2, 0.0, -0.5])


def test_the_service_writes_pages_without_numeric_libraries_and_starts_without_templates() -> None:
    """Its image has no numpy; and what only the end of a run needs is not loaded with every cold start."""
    code = """
import sys
import lambdas.advanced_model_tuning_service.handler
assert "jinja2" not in sys.modules
from lambdas.report.facts import RunReport
from lambdas.report.page import render_report
assert "Deployed" in render_report(RunReport(run={"outcome": "PROMOTED", "message": "v1 is champion."}))
print(*sorted({"numpy", "pandas", "scipy", "boto3"} & set(sys.modules)))
"""
    answer = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert answer.stdout.split() == ["boto3"]
