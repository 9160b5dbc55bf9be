"""Where the project lies, and how its state machines are called."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MACHINES = {"tuning": "advanced-model-tuning", "assessment": "daily-assessment"}
"""Names of the machines by the names that tests give them."""
