"""Lambda handler of `market-validation-engine`."""

from __future__ import annotations

from lambdas.market_validation_engine.validating import validate
from lambdas.runtime.step import engine_handler

handler = engine_handler(validate)
