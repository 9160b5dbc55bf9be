"""A data set without some table or column has the features that it can have, and says which it has not, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lambdas.core.features import FEATURES, absence_reasons, absent_families, build_features, check_truncation
from lambdas.core.features.registry import absent_features, is_available
from lambdas.core.market_data.quality import quality_report


def without_price(market, *columns: str):
    nothing = np.full(market.prices.shape, np.nan)
    return replace(market, prices=replace(market.prices, **dict.fromkeys(columns, nothing)))


def names_that_need(*needs: str) -> set[str]:
    return {feature.name for feature in FEATURES for need in feature.needs if need.startswith(needs)}


CASES = {
    "opens": (
        lambda market: without_price(market, "open"),
        ("prices.open",),
        (),
        "prices.parquet has no values in open",
    ),
    "volumes": (
        lambda market: without_price(market, "volume"),
        ("prices.volume",),
        (),
        "prices.parquet has no values in volume",
    ),
    "fundamentals": (
        lambda market: replace(market, fundamentals=None),
        ("fundamentals.",),
        ("fundamental",),
        "there is no fundamentals.parquet",
    ),
    "sectors": (
        lambda market: replace(market, securities=market.securities.drop(columns="sector")),
        ("securities.",),
        ("sector",),
        "securities.parquet has no values in sector",
    ),
    "a macro series": (
        lambda market: replace(market, macro=market.macro.assign(vix=np.nan)),
        ("macro.vix",),
        (),
        "macro.parquet has no values in vix",
    ),
    "all macro series": (
        lambda market: replace(market, macro=None),
        ("macro.",),
        ("macro",),
        "there is no macro.parquet",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_the_features_that_can_be_made_are_made_and_equal(what, market):
    remove, needs, families, reason = CASES[what]
    poorer = remove(market)
    lost = names_that_need(*needs)
    assert lost
    assert set(absent_features(poorer)) == lost
    assert absent_families(poorer) == families
    whole, left = build_features(market), build_features(poorer)
    assert set(whole.names) - set(left.names) == {f"{name}{suffix}" for name in lost for suffix in ("", "_rank")} & set(
        whole.names
    )
    for name in left.names:
        np.testing.assert_array_equal(left.of(name), whole.of(name), err_msg=name)
    assert any(reason in sentence for sentence in absence_reasons(poorer).values())
    assert not any(reason in sentence for sentence in absence_reasons(market).values())
    for feature in FEATURES:
        assert is_available(feature, poorer) is (feature.name not in lost)
    assert check_truncation(poorer, [market.sessions[400].date()]) == []


@pytest.mark.parametrize("what", CASES)
def test_the_quality_report_says_so(what, market):
    remove, needs, families, _reason = CASES[what]
    report = quality_report(remove(market), None, {}, None)
    assert report.absent_families == families
    assert set(report.absent_features) == names_that_need(*needs)
    for family in families:
        assert any(family in warning for warning in report.warnings)


def test_reasons_count_and_name_what_is_absent(market):
    reasons = absence_reasons(replace(market, fundamentals=None))
    assert reasons["fundamental"].startswith("all 22 features are absent: there is no fundamentals.parquet")
    assert "sector_neutral_earnings_yield, sector_neutral_book_to_market" in reasons["sector"]
    assert set(reasons) == {"fundamental", "sector"}


def test_a_whole_data_set_lacks_nothing(market):
    assert absence_reasons(market) == {}
    assert absent_features(market) == ()
