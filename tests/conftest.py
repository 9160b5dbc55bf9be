"""Fixtures that every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
BUILT_ONCE = ("browser", "images", "infrastructure", "local_aws")
"""Folders whose tests share what takes long to build: a browser, images, synthesized stacks, a deployed application."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, where processes share the tests, those of such a folder, and those of one file."""
    for item in items:
        place = item.path.relative_to(TESTS)
        group = place.parts[0] if place.parts[0] in BUILT_ONCE else str(place)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data that is not part of the project; tests that need it skip without it."""
    if not (SHARED_DATA / "prices.parquet").exists():
        pytest.skip("the real market data beside the project (../shared/data) is not on this machine")
    return SHARED_DATA
