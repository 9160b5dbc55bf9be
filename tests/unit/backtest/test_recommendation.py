"""Which symbols are recommended; a loop over random cases is in test_portfolio.py."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lambdas.core.backtest.recommendation import recommend
from lambdas.core.settings import RecommendationRule


def chosen(probability, rule: RecommendationRule, allowed=None) -> list[int]:
    row = np.array([probability], dtype=float)
    ok = np.ones(row.shape, dtype=bool) if allowed is None else np.array([allowed])
    return np.flatnonzero(recommend(row, ok, rule)[0]).tolist()


def test_the_most_probable_tenth_but_at_least_five():
    falling = np.linspace(0.9, 0.6, 80)
    assert chosen(falling, RecommendationRule()) == list(range(8))
    assert chosen(falling[:30], RecommendationRule()) == list(range(5))
    assert chosen(falling[:3], RecommendationRule()) == [0, 1, 2]


def test_ties_go_to_the_alphabetically_first():
    assert chosen([0.7, 0.8, 0.7, 0.7], RecommendationRule(top_fraction=0, min_positions=3)) == [0, 1, 2]
    assert chosen([0.7] * 6, RecommendationRule(top_fraction=0, min_positions=2)) == [0, 1]


def test_a_probability_below_the_minimum_leaves_its_place_empty():
    assert chosen([0.9, 0.49, 0.5, 0.1], RecommendationRule(min_positions=3)) == [0, 2]
    assert chosen([0.4, 0.3], RecommendationRule()) == []


def test_only_eligible_symbols_count_and_are_taken():
    rule = RecommendationRule(top_fraction=0.5, min_positions=1)
    assert chosen([0.9, 0.8, 0.7, 0.6], rule, allowed=[False, True, True, True]) == [1]
    assert chosen([0.9, 0.8], rule, allowed=[False, False]) == []


def test_an_eligible_symbol_without_a_probability_counts_but_is_not_taken():
    rule = RecommendationRule(top_fraction=0.5, min_positions=1)
    assert chosen([np.nan, 0.8, 0.7, np.nan], rule) == [1, 2]
    assert chosen([np.nan] * 4, rule) == []


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_empty_grids_recommend_nothing(shape):
    empty = recommend(np.ones(shape), np.ones(shape, dtype=bool), RecommendationRule())
    assert_array_equal(empty, np.zeros(shape, dtype=bool))
