"""The report in a real browser: drawn without a complaint, useful by mouse, keyboard, phone, in the dark, on paper."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdas.report.index import RunEntry, render_index

MAX_BYTES = 3_000_000
SECTIONS = [
    "gates",
    "performance",
    "hits",
    "months",
    "ranking",
    "market",
    "importance",
    "recommendations",
    "competition",
    "search",
    "data",
    "run",
    "reading",
]
FIGURES_OF_A_WHOLE_RUN = {
    "equity",
    "folds",
    "sectors",
    "calibration",
    "rank-ic",
    "quantiles",
    "rivals",
    "attribution",
    "families",
    "features",
    "tuning",
}
OpenPage = Callable[..., Any]


def until(page: Any, expression: str, seconds: float = 10.0) -> None:
    """Wait for an expression to be true. The page's own policy forbids the `eval` that Playwright would wait with."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


@pytest.mark.parametrize("name", ["deployed", "sample", "backtesting", "data", "failed"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_report_opens_without_a_complaint(
    open_page: OpenPage, pages: Callable[[str], Path], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    opened = open_page(name, width, scheme)
    page = opened.page
    assert opened.complaints == []
    assert opened.requests == [pages(name).resolve().as_uri()], "a report needs no other file and no network"
    assert pages(name).stat().st_size < MAX_BYTES
    found = page.evaluate("[...document.querySelectorAll('main > section')].map(one => one.id)")
    assert sorted(found) == sorted(SECTIONS)
    assert found == SECTIONS or name not in ("deployed", "sample"), "a whole run keeps the order of the page"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "overflows"
    empty = page.evaluate("[...document.querySelectorAll('main > section')].filter(s => s.children.length < 2).length")
    assert empty == 0
    shot = tmp_path / f"{name}-{width}-{scheme}.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 20_000


def test_a_whole_run_has_every_figure_drawn_with_data(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    drawn = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.plot')].map(plot => [plot.dataset.figure,
            plot.querySelectorAll('.scatterlayer .trace, .barlayer .trace').length]))"""
    )
    assert set(drawn) == FIGURES_OF_A_WHOLE_RUN
    assert min(drawn.values()) >= 1, drawn
    assert page.locator(".absent").count() == 0


@pytest.mark.parametrize(("name", "lost"), [("backtesting", "market"), ("data", "performance"), ("failed", "data")])
def test_a_run_that_stopped_early_says_what_it_did_not_measure(open_page: OpenPage, name: str, lost: str) -> None:
    page = open_page(name).page
    assert "not measured in this run" in page.locator(f"#{lost}").inner_text()
    assert page.locator(f"#{lost} .plot").count() == 0


def test_figures_fit_their_column_on_a_phone(open_page: OpenPage) -> None:
    page = open_page("deployed", 390).page
    widths = page.evaluate("[...document.querySelectorAll('.main-svg')].map(svg => svg.getBoundingClientRect().right)")
    assert widths
    assert max(widths) <= 390


def test_the_gates_are_read_on_a_phone_without_scrolling_sideways(open_page: OpenPage) -> None:
    page = open_page("deployed", 390).page
    cut = "[...document.querySelectorAll('.gate .scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
    assert page.locator(".gate .scroll").count() == 5
    assert page.evaluate(cut) == 0


def test_a_table_sorts_by_its_head_and_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    table = page.locator("#hits table.sortable").first
    years = "table => [...table.tBodies[0].rows].map(row => row.cells[0].innerText)"
    returns = "table => [...table.tBodies[0].rows].map(row => Number(row.cells[4].dataset.sort))"
    assert table.evaluate(years) == sorted(table.evaluate(years))
    head = table.locator("th", has_text="Return").locator("button")
    head.click()
    assert table.evaluate(returns) == sorted(table.evaluate(returns), reverse=True)
    assert table.locator("th", has_text="Return").get_attribute("aria-sort") == "descending"
    head.focus()
    page.keyboard.press("Enter")
    assert table.evaluate(returns) == sorted(table.evaluate(returns))
    assert table.locator("th", has_text="Return").get_attribute("aria-sort") == "ascending"


def test_what_is_not_measured_sorts_last_in_both_directions(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    table = page.locator("#search table.sortable").first
    table.evaluate("table => table.tBodies[0].rows[0].cells[6].removeAttribute('data-sort')")
    head = table.locator("th").nth(6).locator("button")
    for _ in range(2):
        head.click()
        last = "table => table.tBodies[0].rows[table.tBodies[0].rows.length - 1].cells[6].dataset.sort === undefined"
        assert table.evaluate(last)


def test_a_figure_answers_to_hover_and_zoom(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    plot = page.locator("#figure-equity")
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.wait_for_selector("#figure-equity .hoverlayer .legend, #figure-equity .hoverlayer .hovertext")
    said = page.locator("#figure-equity .hoverlayer").text_content()
    assert "Portfolio" in said
    assert "SPY" in said
    span = "JSON.stringify(document.getElementById('figure-equity').layout.xaxis.range)"
    before = page.evaluate(span)
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 45, steps=5)
    page.mouse.up()
    until(page, f"{span} !== {before!r}")


def test_a_finger_scrolls_and_does_not_zoom(open_page: OpenPage) -> None:
    page = open_page("deployed", 390).page
    assert page.evaluate("document.getElementById('figure-equity').layout.dragmode") is False


def test_figures_follow_dark_mode(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    color = "document.querySelector('#figure-quantiles .barlayer path').style.fill"
    light = page.evaluate(color)
    page.emulate_media(color_scheme="dark")
    until(page, f"{color} !== {light!r}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"


def test_print_shows_everything_on_paper(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("deployed", scheme="dark").page
    page.emulate_media(media="print")
    until(page, "[...document.querySelectorAll('details.folded')].every(one => one.open)")
    width = "Math.max(...[...document.querySelectorAll('.main-svg')].map(svg => svg.getBoundingClientRect().width))"
    until(page, f"{width} <= 700")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_text_is_readable_in_both_modes(open_page: OpenPage) -> None:
    """WCAG's contrast of 4.5 for text, measured on the colours that the browser computed."""
    script = """() => {
        const parse = text => text.match(/[\\d.]+/g).map(Number);
        const luminance = rgb => { const [r, g, b] = rgb.slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = node => { for (; node; node = node.parentElement) {
            const c = parse(getComputedStyle(node).backgroundColor); if (c.length < 4 || c[3] === 1) return c; }
            return [255, 255, 255]; };
        return [...document.querySelectorAll('h1, h2, h3, p, td, th, dt, dd, small, .label, .chip, .met, figcaption')]
            .filter(node => node.offsetParent && !node.closest('.shaded'))
            .map(node => { const a = luminance(parse(getComputedStyle(node).color)), b = luminance(ground(node));
                return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className + ' ' + node.innerText]; })
            .sort((x, y) => x[0] - y[0])[0]; }"""
    for scheme in ("light", "dark"):
        worst, where = open_page("backtesting", scheme=scheme).page.evaluate(script)
        assert worst >= 4.5, (scheme, where)


def test_the_first_screen_says_whether_and_why(open_page: OpenPage) -> None:
    page = open_page("sample").page
    header = page.locator("header.verdict")
    box = header.bounding_box()
    assert box
    assert box["height"] < 500
    said = header.inner_text()
    assert "Not deployed" in said
    assert "Stopped by the" in said
    assert "NOT REACHED" not in said
    assert page.locator(".tiles li").count() == 6


def test_contents_lead_to_their_sections_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("deployed").page
    page.locator("nav a[href='#search']").focus()
    page.keyboard.press("Enter")
    until(page, "Math.abs(document.getElementById('search').getBoundingClientRect().top) < 200")


def test_the_list_of_runs_leads_to_their_pages(
    open_page: OpenPage, pages: Callable[[str], Path], tmp_path: Path
) -> None:
    runs = [
        {"run_id": "b", "outcome": "REJECTED", "started_at": "2026-11-22T02:00:00+00:00", "message": "Stopped <b>"},
        {"run_id": "a", "outcome": "PROMOTED", "started_at": "2026-11-15T02:00:00+00:00", "message": "Champion now"},
        {"run_id": "c", "started_at": "2026-11-23T02:00:00+00:00"},
    ]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "report.html").write_text(pages("failed").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "index.html").write_text(render_index([RunEntry.of(run) for run in runs]), encoding="utf-8")
    opened = open_page(tmp_path / "index.html", 390)
    page = opened.page
    assert page.locator("tbody a").count() == 2
    page.locator("th button", has_text="Started").click()
    assert page.locator("tbody tr").first.inner_text().startswith("2026-11-15")
    page.get_by_role("link", name="b", exact=True).click()
    page.wait_for_selector("html[data-drawn]", state="attached")
    assert page.locator("h1").inner_text() == "The run failed"
    assert opened.complaints == []
