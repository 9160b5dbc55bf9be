"""Names of the errors that a step may raise: what Lambda reports as `errorType`, what Retry and Catch name.

Plain strings, so that the CDK app needs no runtime code to write a retry policy; a test holds them equal to the
classes of `lambdas.core.errors` and `lambdas.adapters.errors`.
"""

from __future__ import annotations

RETRYABLE_ERRORS: tuple[str, ...] = ("TransientMarketDataError", "TransientStoreError")
"""Likely to pass by waiting: retried with back-off."""

PERMANENT_ERRORS: tuple[str, ...] = (
    "InvalidRequestError",
    "InvalidDatasetError",
    "InvalidPredictionsError",
    "UnknownSymbolError",
    "InsufficientHistoryError",
    "ArtefactIntegrityError",
    "TrainingFailedError",
    "LookAheadError",
    "GateNotPassedError",
    "ChampionChangedError",
    "StoreAccessError",
)
"""The same input fails the same way: never retried."""

CHAMPION_CHANGED = "ChampionChangedError"
"""Caught after *Promote candidate*: another run was promoted meanwhile, so the run ends SUPERSEDED, not failed."""
