"""docs/features.md says of the features what the registry says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.core.features import FEATURES
from lambdas.core.features.table import BEGIN, END, rendered

PAGE = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_the_page_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert page == rendered(page), "run: python -m lambdas.core.features.table docs/features.md"


def test_the_page_has_a_row_for_each_feature():
    page = PAGE.read_text(encoding="utf-8")
    for feature in FEATURES:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{feature.name}` |"))
        assert all(text in row for text in (feature.definition, feature.unit, feature.source))
        assert all(need in row for need in feature.needs)


def test_the_set_stays_small_enough_for_the_learners():
    assert 100 <= sum(len(feature.columns) for feature in FEATURES) <= 115


@pytest.mark.parametrize("page", ["", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_page_without_its_markers_is_refused(page):
    with pytest.raises(ValueError, match="once each"):
        rendered(page)
