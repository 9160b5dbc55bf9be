"""What functions write to their logs: JSON with run id and step, and neither market data nor secrets.

Both machines run in a process of its own (`logged_days.py`); what it prints is read as CloudWatch would get it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("logged_days.py")
ALWAYS = {"level", "location", "message", "timestamp", "service"}
OF_A_STEP = {"correlation_id", "action", "request_id"}
ADDED = {"seconds", "peak_memory_mb", "error", "reason", "keys", "champion", "uri", "version"}
"""What a line may say beside its message. Whoever adds a name looks here at what its values can be."""

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)")
DIGITS = 7


@dataclass(frozen=True)
class Log:
    """Everything that a process wrote, and what must not be in it."""

    text: str
    facts: Mapping[str, Any]

    def records(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yield each line, with what it says as JSON."""
        for line in self.text.splitlines():
            try:
                parsed = json.loads(line)
            except ValueError:
                parsed = None
            yield line, parsed if isinstance(parsed, dict) else None

    def leaks(self) -> dict[str, list[str]]:
        """Return the lines that break each rule."""
        prices = {significant(price) for price in self.facts["prices"]}
        returns = {significant(one) for one in self.facts["returns"]}
        probabilities = {significant(one["probability"]) for one in self.facts["published"]}
        symbols = re.compile(rf"\b(?:{'|'.join(self.facts['symbols'])})\b")
        found: dict[str, list[str]] = {}
        for line, record in self.records():
            numbers = NUMBER.findall(line)
            whole = {significant(number) for number in numbers}
            names = set(symbols.findall(line))
            told = {
                "no JSON": record is None,
                "no run or step": record is not None and "_aws" not in record and not record.keys() >= OF_A_STEP,
                "unknown field": record is not None and "_aws" not in record and bool(unknown(record)),
                "secret": any(secret in line for secret in self.facts["secrets"]),
                "price": bool(whole & prices),
                "return": bool(whole & returns),
                "probability": bool(whole & probabilities),
                "symbols": len(names) > 1,
                "symbol in a good run": bool(names) and record is not None and record.get("level") == "INFO",
            }
            for rule, broken in told.items():
                if broken:
                    found.setdefault(rule, []).append(line[:300])
        return found


def unknown(record: Mapping[str, Any]) -> set[str]:
    return record.keys() - ALWAYS - OF_A_STEP - ADDED - {"exception", "exception_name", "stack_trace", "xray_trace_id"}


def significant(number: float | str) -> str:
    """Return a number at so many digits that two which are equal are one: seven, and a price in them to the unit."""
    return f"{float(number):.{DIGITS - 1}e}" if len(str(number).strip("-0.")) >= DIGITS else f"short {number}"


def lived(facts: Path, *arguments: str) -> Log:
    environment = os.environ | {
        "OMP_NUM_THREADS": "1", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "PYTHONWARNINGS": "",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(PROGRAM), str(facts), *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Log(done.stdout + done.stderr, json.loads(facts.read_text()))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return lived(tmp_path_factory.mktemp("lived") / "facts.json")


def test_the_days_were_lived(log: Log) -> None:
    """A log of nothing would pass what follows."""
    said = [record for _, record in log.records() if record is not None]
    steps = {(record.get("action"), record["message"]) for record in said if "_aws" not in record}
    actions = "plan calendar collect build tune fit_fold evaluate fit_candidate validate promote recommend settle fail"
    assert {(action, "step ends") for action in actions.split()} <= steps
    failed = {record["error"] for record in said if record.get("message") == "step failed"}
    assert failed >= {
        "InvalidRequestError", "InvalidDatasetError", "ArtefactIntegrityError", "TransientMarketDataError",
    }  # fmt: skip
    assert {"champion cannot be scored", "live records cannot be read"} <= {record.get("message") for record in said}
    assert any("_aws" in record for record in said), "metrics were switched off"
    assert len(log.facts["published"]) >= 10
    assert min(log.facts["prices"]) > 10**6


def test_nothing_of_the_market_of_its_inputs_or_of_the_role_is_in_the_log(log: Log) -> None:
    assert log.leaks() == {}


def test_every_line_of_a_run_names_it(log: Log) -> None:
    runs = {record["correlation_id"] for _, record in log.records() if record is not None and "_aws" not in record}
    assert runs >= {"week-1", "day-2016-11-01", "input-0", "prices-negative", "altered", "live-1"}


def test_leaks_that_are_planted_are_found(tmp_path: Path) -> None:
    """Prices, returns, recommendations, the environment, an event, a line of no step, a library that prints."""
    found = lived(tmp_path / "facts.json", "planted").leaks()
    assert set(found) == {
        "unknown field", "secret", "price", "return", "probability", "symbols", "symbol in a good run", "no JSON",
        "no run or step",
    }  # fmt: skip
