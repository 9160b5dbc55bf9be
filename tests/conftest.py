"""Fixtures that every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data that is not part of the project; tests that need it skip without it."""
    if not (SHARED_DATA / "prices.parquet").exists():
        pytest.skip("the real market data beside the project (../shared/data) is not on this machine")
    return SHARED_DATA
