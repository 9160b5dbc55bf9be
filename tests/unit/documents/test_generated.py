"""The generated parts of the documents say what the code says now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from cli.documents import contracts, errors
from cli.documents.commands import commands
from cli.documents.pages import PAGES, ROOT, between_markers, render
from cli.documents.tables import field_rows, table
from lambdas.contracts.errors import PERMANENT_ERRORS, RETRYABLE_ERRORS
from lambdas.core.settings import ModelSettings


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert page == render(name, page), "run: make docs"


def test_a_change_of_the_code_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    monkeypatch.setattr(errors.of_the_domain.LookAheadError, "remedy", "Try again.")
    assert render("docs/errors.md", page) != page


def test_every_error_that_the_machines_know_has_a_row_with_a_remedy_of_its_own() -> None:
    rows = [line.split(" | ") for line in errors.error_table().splitlines()[2:]]
    names = {row[0].strip("| `"): row for row in rows}
    assert set(names) == {*PERMANENT_ERRORS, *RETRYABLE_ERRORS}
    assert len({row[2] for row in rows}) == len(rows)
    assert {name for name, row in names.items() if row[3] == "yes"} == set(RETRYABLE_ERRORS)


def test_every_step_of_every_function_has_its_event_and_result() -> None:
    """Names of the contracts that the handlers declare, read from their code."""
    text = contracts.contract_tables()
    declared = {
        name
        for file in (ROOT / "lambdas").glob("*_*/*.py")
        for pair in re.findall(r"@step\((\w+), (\w+)\)", file.read_text(encoding="utf-8"))
        for name in pair
    }
    assert len(declared) > 20
    assert not {name for name in declared if f"### {name}\n" not in text}


def test_links_of_the_contracts_lead_somewhere() -> None:
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert not set(re.findall(r"\]\(#(\w+)\)", text)) - headings


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{group}.{name}"
        for group, of_group in ModelSettings.model_fields.items()
        for name, field in of_group.annotation.model_fields.items()  # type: ignore[union-attr]
        if not field.description
    ]
    assert silent == []


def test_every_command_says_what_it_does_and_shows_an_example() -> None:
    from cli.documents.commands import examples

    for name, command in commands():
        assert command.help, name
        assert examples(command), f"{name}: no line `Example: amts …` in its help"
        assert all(one.startswith(name) for one in examples(command)), name


def test_a_field_is_told_with_type_bounds_default_and_meaning() -> None:
    class Part(BaseModel):
        x: int

    class Whole(BaseModel):
        share: float = Field(ge=0, lt=1, description="Of all.")
        parts: tuple[Part, ...] = ()
        names: dict[str, float | None] = Field(default={}, max_length=3)

    assert field_rows(Whole.model_json_schema()) == [
        ["`share`", "number", "≥ 0, < 1", "", "Of all."],
        ["`parts`", "list of [Part](#part)", "", "`[]`", ""],
        ["`names`", "map to number or null", "at most 3", "`{}`", ""],
    ]


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert table(("a",), [["x|y"]]).splitlines()[2] == r"| x\|y |"


@pytest.mark.parametrize("page", ["", "<!-- x:begin -->", "<!-- x:end --> <!-- x:begin -->"])
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        between_markers(page, "x", "new")


def test_links_between_the_documents_lead_to_files() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / Path(target)).exists()
    ]
    assert broken == []
