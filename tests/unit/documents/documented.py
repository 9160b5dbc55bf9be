"""What the documents tell people to run: code in fences, and commands in running text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.documents.pages import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "sh", "bash", "console")
PROGRAMS = ("amts", "make", "python", "export", "aws", "git", "cd")


@dataclass(frozen=True)
class Block:
    """One fence: its language and its text."""

    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """Command lines in it, as words; a fence without a language may hold something else."""
        if self.language not in SHELL:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        found = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if is_command(line)]
        return [[words[0].rpartition("/")[2], *words[1:]] for words in found]


def is_command(line: str) -> bool:
    first = line.removeprefix("$ ").split(" ")[0].rpartition("/")[2]
    return first in PROGRAMS


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def inline_commands(page: Path) -> Iterator[list[str]]:
    """Commands in running text and tables: `amts report RUN_ID [--open]`."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for code in re.findall(r"`([^`\n]+)`", text):
        if re.match(r"(\.venv/bin/)?amts [a-z-]|make [a-z]|python -m ", code):
            words = re.sub(r"\\\||[\[\]…“”\"]", " ", code).split()
            yield [words[0].rpartition("/")[2], *words[1:]]
