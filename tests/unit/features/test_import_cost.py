"""The cold start of `fundamental-data-enrichment` does not pay for learners; `make bench` says what it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import json, sys
import lambdas.fundamental_data_enrichment.handler
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
LEARNERS = {"torch", "xgboost", "lightgbm", "optuna", "sklearn"}


def test_the_handler_imports_no_learner():
    answer = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    )
    imported = set(json.loads(answer.stdout))
    assert "pandas" in imported, "this is not the handler's process"
    assert not imported & LEARNERS
