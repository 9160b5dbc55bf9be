"""The definitions interpreted on made-up results of the steps: what tests of the ways through them share."""

from __future__ import annotations

from typing import Any

from asl_interpreter import Execution
from step_answers import Engines

TUNING = "advanced-model-tuning"
DAILY = "daily-assessment"
LAST = "Retire old models"
SHADOW = "v20261115-aaaaaaaaaaaa"


def run(definition: dict[str, Any], engines: Engines, request: Any = None) -> Execution:
    return Execution(definition, engines, {} if request is None else request).run()


def with_a_shadow(engines: Engines) -> Engines:
    """A run whose candidate stays behind, while a shadow is there."""
    engines.answers["advanced-model-tuning-service.plan"]["shadow"] = SHADOW
    engines.answers["validate"]["active_return_lower"] = -0.1
    return engines
