"""A headless Chromium for the whole session, and the pages that are opened in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made_reports
import pytest

from lambdas.report.facts import RunReport
from lambdas.report.page import PLOTTING_LIBRARY, render_report

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt-get install chromium")
    if not PLOTTING_LIBRARY.exists():
        pytest.skip("plotly.js is not installed: make setup")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


REPORTS: dict[str, Callable[[], RunReport]] = {
    "deployed": lambda: made_reports.validated(made_reports.simulated(), 0.5),
    "sample": lambda: made_reports.validated(made_reports.sample(), 0.12),
    "backtesting": lambda: made_reports.stopped_at_backtesting(made_reports.simulated()),
    "data": made_reports.stopped_at_the_data,
    "failed": made_reports.failed,
}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a report once a session, and return where it lies."""
    folder, written = tmp_path_factory.mktemp("pages"), dict[str, Path]()

    def page(name: str) -> Path:
        if name not in written:
            written[name] = folder / f"{name}.html"
            written[name].write_text(render_report(REPORTS[name]()), encoding="utf-8")
        return written[name]

    return page


class Opened:
    """A page in the browser, with everything it complained about and everything it asked the network for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def open_page(browser: Any, pages: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Open a report as a person would: from disk, without a network."""
    contexts = []

    def opened(name: str | Path, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,
            has_touch=width < 600,
            is_mobile=width < 600,
        )
        contexts.append(context)
        found = Opened(context.new_page())
        file = name if isinstance(name, Path) else pages(name)
        found.page.goto(file.resolve().as_uri())
        found.page.wait_for_selector("html[data-drawn]", state="attached")
        return found

    yield opened
    for context in contexts:
        context.close()
