"""What a page is made of: sections of notes, facts, tables and figures. The templates know nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from lambdas.report.numbers import UNKNOWN, Write, known

Tone = Literal["", "good", "bad", "open", "muted", "strong"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what is read, what it sorts by, and a word below it."""

    text: str
    sort: float | str | None = None
    number: bool = False
    detail: str = ""
    tone: Tone = ""
    shade: float | None = None

    @property
    def sort_key(self) -> str:
        """What the page's script sorts by; empty sorts last."""
        return "" if self.sort is None else str(self.sort)


def number(value: float | None, write: Write, *, detail: str = "", tone: Tone = "") -> Cell:
    """Return the cell of a number, or of one that could not be measured."""
    if value is None:
        return Cell("\u2013", number=True, detail=detail, tone="muted")
    return Cell(known(value, write), sort=value, number=True, detail=detail, tone=tone)


def text(value: object, *, detail: str = "", tone: Tone = "") -> Cell:
    """Return the cell of a name or a sentence."""
    written = "\u2013" if value is None else str(value)
    return Cell(written, sort=written.lower(), detail=detail, tone=tone)


@dataclass(frozen=True)
class Column:
    """The head of a column, and what it means."""

    name: str
    number: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Note:
    """A sentence for the reader."""

    kind: ClassVar[str] = "note"
    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Absent:
    """What this run did not measure, and why: in place of a chart without data."""

    kind: ClassVar[str] = "absent"
    what: str
    why: str


@dataclass(frozen=True)
class Facts:
    """Names with their values; wide ones, whose values are sentences, have a line each."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under heads; each column sorts."""

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    sortable: bool = True
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure of plotly.js. Colours that begin with @ are named in the style sheet, so that they follow its modes."""

    kind: ClassVar[str] = "figure"
    id: str
    title: str
    caption: str
    data: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 320


Block = Note | Absent | Facts | Table | Figure


@dataclass(frozen=True)
class Section:
    """A part of the page that the contents name."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    lead: str = ""


def fact(name: str, value: float | None, write: Write) -> tuple[str, str]:
    """Return a name with a number as it is read."""
    return name, known(value, write, UNKNOWN)
