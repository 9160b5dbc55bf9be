"""Imports go one way, and a function loads no library that its image does not have."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = (
    "advanced_model_tuning_service",
    "fundamental_data_enrichment",
    "ensemble_model_engine",
    "backtesting_engine",
    "market_validation_engine",
)
MAY_IMPORT = {
    "core": {"core"},
    "report": {"report", "core"},
    "contracts": {"contracts", "core"},
    "adapters": {"adapters", "contracts", "core"},
    "runtime": {"runtime", "adapters", "contracts", "core"},
    **{name: {name, "runtime", "adapters", "contracts", "core"} for name in HANDLERS},
}
MAY_IMPORT["advanced_model_tuning_service"].add("report")  # it writes the page at the end of a run
LEARNERS = {"torch", "xgboost", "lightgbm", "optuna", "sklearn"}
SLOW = {"arch", "statsmodels", "scipy.stats", "yfinance", "pandera"}
"""Half a second and more of a cold start each; imported where they are used."""
NUMERIC = {"numpy", "pandas", "scipy", "pyarrow", "exchange_calendars"}


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def parts_of(package: str) -> set[str]:
    """Parts of `lambdas` that the files of one of them import."""
    return {
        module.split(".")[1]
        for file in (ROOT / "lambdas" / package).rglob("*.py")
        for module in imported_modules(file)
        if module.startswith("lambdas.")
    }


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    assert list((ROOT / "lambdas" / package).rglob("*.py")), f"{package} has no files"
    assert parts_of(package) <= MAY_IMPORT[package]


def test_every_package_is_covered() -> None:
    found = {path.name for path in (ROOT / "lambdas").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(MAY_IMPORT)


def test_core_knows_no_aws_and_no_environment() -> None:
    for file in (ROOT / "lambdas" / "core").rglob("*.py"):
        roots = {module.split(".")[0] for module in imported_modules(file)}
        assert not roots & {"boto3", "botocore", "aws_lambda_powertools"}, file
        names = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "getenv"}, file


def test_the_cdk_app_imports_contracts_and_settings_only() -> None:
    for file in (ROOT / "cdk_app").rglob("*.py"):
        for module in imported_modules(file):
            if module.startswith("lambdas."):
                allowed = module.startswith(("lambdas.contracts", "lambdas.core.settings", "lambdas.core.values"))
                assert allowed, f"{file} imports {module}"


def modules_after_importing(package: str) -> set[str]:
    """Modules in a fresh interpreter that has loaded a handler."""
    code = f"import sys, lambdas.{package}.handler; print(*sys.modules)"
    answer = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    )
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("advanced_model_tuning_service", NUMERIC | LEARNERS),
        ("fundamental_data_enrichment", LEARNERS),
        ("backtesting_engine", LEARNERS),
        ("market_validation_engine", LEARNERS),
    ],
)
def test_a_handler_loads_no_library_that_its_image_lacks(package: str, forbidden: set[str]) -> None:
    assert modules_after_importing(package) & forbidden == set()


@pytest.mark.parametrize("package", ["fundamental_data_enrichment", "backtesting_engine", "market_validation_engine"])
def test_a_handler_starts_without_what_only_some_of_its_work_needs(package: str) -> None:
    assert modules_after_importing(package) & SLOW == set()


def test_the_check_itself_would_notice() -> None:
    assert "pandas" in modules_after_importing("fundamental_data_enrichment")
