"""`python -m benchmarks.simulation`: the tables of docs/simulation.md from the JSON files of `amts simulate`.

amts simulate --months 12 --json year.json --out year.html
python -m benchmarks.simulation --simulated year.json --picture year.html
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.controls.tables import markdown_table, replace_between_markers

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("first", "last", "seconds", "processor_seconds", "months", "events", "history", "books", "market")
PICTURE_SIZE = {"width": 1240, "height": 900}


def main() -> None:
    """Keep what the files say beside what was kept before, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=Path, help="JSON of a simulated year")
    parser.add_argument("--real", type=Path, help="JSON of a year of real data")
    parser.add_argument("--picture", type=Path, help="HTML of the simulated year, to be drawn")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "simulation.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "simulation.md")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(options.results.read_text("utf-8")) if options.results.exists() else {}
    for name in ("simulated", "real"):
        if (given := getattr(options, name)) is not None:
            whole = json.loads(given.read_text(encoding="utf-8"))
            results[name] = {field: whole[field] for field in KEPT} | {"n_days": len(whole["days"])}
            if name == "real":  # the folder's place on this machine is nobody's business
                results[name]["market"]["data"] = "real"
    options.results.write_text(json.dumps(results, separators=(",", ":")) + "\n", encoding="utf-8")
    for name, result in results.items():
        replace_between_markers(options.page, f"{name}-year", year_of(result))
    if options.picture is not None:
        draw(options.picture, ROOT / "docs" / "pictures" / "simulated-year.webp")


def year_of(result: Mapping[str, Any]) -> str:
    """Return the tables of one simulation."""
    parts = [f"{told(result)}\n", months_table(result["months"])]
    parts.append(f"\nWhat was announced, equal outcomes in a row taken together:\n\n{events_table(result['events'])}")
    if result["books"]:
        parts.append(f"\n{books_table(result['books'])}")
    return "\n".join(parts)


def told(result: Mapping[str, Any]) -> str:
    """Return one sentence about what was lived, and how long it took."""
    counted = Counter(event["outcome"] for event in result["events"])
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in counted.most_common())
    return (
        f"{result['first']} to {result['last']}, {result['market']['n_symbols']} symbols, {result['n_days']} daily "
        f"runs: {outcomes}. {result['seconds'] / 60:.1f} minutes on a machine of 2 cores, of processor time "
        f"{result['processor_seconds'] / 60:.1f}."
    )


def months_table(months: Sequence[Mapping[str, Any]]) -> str:
    """Return what was published and earned by month."""
    header = (
        "month",
        "published",
        "return %",
        "SPY %",
        "champion's live hit / base rate %",
        "upper bound of its skill",
    )
    rows = [
        [
            row["month"],
            f"{row['published']}",
            _percent(row["return"]),
            _percent(row["spy"]),
            f"{_percent(row['live_hit_rate'])} / {_percent(row['live_base_rate'])}",
            _points(row["live_skill_upper"]),
            f"{row['gate_failed']} of {row['days']}",
        ]
        for row in months
    ]
    return markdown_table([*header, "days on which the live gate failed"], rows)


def events_table(events: Sequence[Mapping[str, Any]]) -> str:
    """Return the events in order; runs of one outcome are one row."""
    rows = []
    for (run, outcome, gate), group in groupby(
        (event for event in events if event["run"] != "daily" or event["outcome"] != "live gate failed"),
        key=lambda event: ("", event["outcome"], _gate(event["why"])),
    ):
        found = list(group)
        days = found[0]["day"] if len(found) == 1 else f"{found[0]['day']} to {found[-1]['day']}"
        rows.append([days, f"{len(found)}", outcome + (f", {gate} gate" if gate else run), found[0]["why"][:150]])
    failed = [event for event in events if event["outcome"] == "live gate failed"]
    if failed:
        days = f"{failed[0]['day']} to {failed[-1]['day']}"
        rows.append([days, f"{len(failed)}", "live gate failed, a tuning run started", failed[0]["why"][:150]])
    rows.sort(key=lambda row: row[0])
    return markdown_table(("days", "runs", "outcome", "the first of them said"), rows)


def _gate(why: str) -> str:
    """Return the gate that stopped a run, as its message names it."""
    return why.partition("Stopped by the ")[2].partition(" gate")[0]


def books_table(books: Sequence[Mapping[str, Any]]) -> str:
    """Return what was announced beside what a backtest of it gives."""
    rows = [
        [one["name"], _exact(one["announced"]), _exact(one["recomputed"]), "yes" if one["balances"] else "**no**"]
        for one in books
    ]
    return markdown_table(("number", "announced", "backtest of what was published", "balances"), rows)


def draw(page: Path, picture: Path) -> None:
    """Draw the figure of the page's course in a headless Chromium."""
    import shutil

    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    raw = picture.with_suffix(".png")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=PICTURE_SIZE)
        tab.goto(page.resolve().as_uri(), wait_until="domcontentloaded", timeout=90_000)
        tab.wait_for_selector("html[data-drawn]", timeout=90_000)
        figure = tab.locator("section#course figure")
        figure.locator(".main-svg .trace").first.wait_for(timeout=90_000)
        figure.scroll_into_view_if_needed()
        tab.wait_for_timeout(1000)  # drawn is not yet painted: a busy machine once took a picture of nothing
        figure.screenshot(path=raw)
        browser.close()
    with Image.open(raw) as drawn:
        drawn.save(picture, quality=80)
    raw.unlink()


def _exact(value: float | None) -> str:
    return "-" if value is None else f"{value:.12g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f}"


if __name__ == "__main__":
    main()
