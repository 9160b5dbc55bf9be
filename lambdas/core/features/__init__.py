"""Features: declared once each, computed causally on the wide panel, joined point in time, tested for look-ahead."""

from __future__ import annotations

from lambdas.core.features.build import FeatureSet, build_features, transformed
from lambdas.core.features.registry import FEATURES, absence_reasons, absent_families
from lambdas.core.features.storage import feature_frame, read_features, write_features
from lambdas.core.features.truncation import Difference, assert_no_look_ahead, check_truncation

__all__ = [
    "FEATURES",
    "Difference",
    "FeatureSet",
    "absence_reasons",
    "absent_families",
    "assert_no_look_ahead",
    "build_features",
    "check_truncation",
    "feature_frame",
    "read_features",
    "transformed",
    "write_features",
]
