"""The five functions, as the workflows know them."""

from __future__ import annotations

from dataclasses import dataclass

from cdk_app.constructs.engine_function import EngineFunction


@dataclass(frozen=True)
class Engines:
    """Which function does what."""

    service: EngineFunction
    enrichment: EngineFunction
    ensemble: EngineFunction
    backtesting: EngineFunction
    validation: EngineFunction
