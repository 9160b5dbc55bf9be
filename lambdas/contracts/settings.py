"""The settings of the model, for those who may import contracts only: the CDK app and the CLI."""

from __future__ import annotations

from lambdas.core.settings import GateSettings, ModelSettings, WalkForwardSettings, settings_hash

__all__ = ["GateSettings", "ModelSettings", "WalkForwardSettings", "settings_hash"]
