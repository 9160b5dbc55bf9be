"""PSR and DSR against skfolio (definitions, section 7).

`make setup` installs skfolio for the market data it carries, without what it depends on. Its measures are plain numpy
and scipy, but importing them imports cvxpy and plotly for the sake of type hints. So they run in a process of their own
in which an empty module stands for those that are absent; nothing of skfolio's own code is changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from lambdas.core.backtest.sharpe_inference import (
    deflated_sharpe_of,
    expected_best_sharpe,
    probabilistic_sharpe_of,
)

pytestmark = pytest.mark.skipif(
    find_spec("skfolio") is None, reason="skfolio is not installed; `make setup` installs it for its data"
)

ORACLE = """
import importlib.util, json, sys, types

class Absent(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cvxpy", "plotly", "clarabel"):
            return importlib.util.spec_from_loader(name, self)
    def create_module(self, spec):
        return Absent(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.append(Finder())  # last: a package that is there is imported
package = types.ModuleType("skfolio")  # the measures alone: the package itself imports its optimisers
package.__path__ = list(importlib.util.find_spec("skfolio").submodule_search_locations)
sys.modules["skfolio"] = package
from skfolio.measures import deflated_sharpe_ratio, expected_max_sharpe_ratio, probabilistic_sharpe_ratio

answers = []
for case in json.load(sys.stdin):
    answers.append({
        "psr": probabilistic_sharpe_ratio(case["returns"], case["benchmark"]),
        "dsr": deflated_sharpe_ratio(case["returns"], case["trials"]),
        "best": float(expected_max_sharpe_ratio(case["n"], case["deviation"])),
    })
print(json.dumps(answers))
"""


def cases() -> list[dict]:
    random = np.random.default_rng(0)
    series = {
        "normal": random.normal(0.0005, 0.01, 756),
        "fat tails": random.standard_t(4, 500) * 0.008 + 0.0006,
        "skewed": random.gamma(2.0, 0.01, 252) - 0.0185,
        "falling": random.normal(-0.001, 0.01, 100),
        "short": random.normal(0.001, 0.01, 12),
    }
    return [
        {
            "returns": returns.tolist(),
            "benchmark": benchmark,
            "trials": random.normal(0.02, 0.04, n).tolist(),
            "n": n,
            "deviation": 0.04,
        }
        for returns in series.values()
        for benchmark, n in ((0.0, 1), (0.03, 7), (-0.02, 240))
    ]


def test_psr_and_dsr_equal_those_of_skfolio():
    given = cases()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", ORACLE], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for case, theirs in zip(given, json.loads(done.stdout), strict=True):
        returns, trials = np.array(case["returns"]), np.array(case["trials"])
        assert probabilistic_sharpe_of(returns, case["benchmark"]) == pytest.approx(theirs["psr"], rel=1e-10)
        variance = float(trials.var(ddof=1)) if len(trials) > 1 else 0.0
        assert deflated_sharpe_of(returns, len(trials), variance) == pytest.approx(theirs["dsr"], rel=1e-10)
        assert expected_best_sharpe(case["n"], case["deviation"] ** 2) == pytest.approx(theirs["best"], rel=1e-10)
