"""Logger, metrics and tracer of all functions. They read Powertools' own environment variables.

`POWERTOOLS_SERVICE_NAME` is the function's name without the environment; `POWERTOOLS_METRICS_DISABLED=true` and
`POWERTOOLS_TRACE_DISABLED=true` switch two of them off. Outside Lambda the tracer switches itself off.
"""

from __future__ import annotations

import logging
import os
import resource
import sys

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.filters import SuppressFilter
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from lambdas.contracts.metrics import NAMESPACE, Metric

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "amts")
ENVIRONMENT = os.environ.get("AMTS_ENVIRONMENT", "local")

logger = Logger(service=SERVICE, use_rfc3339=True)  # the only time stamp that Lambda's own filter by level reads
# Lambda itself lets everything from INFO through, because metrics are lines of no level, too: see engine_function.py.
logger.setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"))
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
metrics.set_default_dimensions(environment=ENVIRONMENT)
tracer = Tracer(service=SERVICE, patch_modules=["botocore"])


def libraries_speak_json() -> None:
    """Give what libraries log, and Python's warnings, the form of our own lines, with run id and step.

    For a process that is a function. At a laptop they stay what its person is used to.
    """
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logger.registered_formatter)
    handler.addFilter(SuppressFilter(SERVICE))  # ours are written already
    logging.getLogger().handlers = [handler]


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    libraries_speak_json()


def measure(metric: Metric, value: float | None, unit: MetricUnit = MetricUnit.NoUnit) -> None:
    """Add one number to the metrics of this invocation; what could not be measured is left out."""
    if value is not None and not metrics_disabled():  # Powertools would hold them, and print each hundred at once
        metrics.add_metric(name=metric, unit=unit, value=value)


def count(metric: Metric, value: int = 1) -> None:
    """Add a count to the metrics of this invocation."""
    measure(metric, value, MetricUnit.Count)


def measure_step(metric: Metric, value: float, unit: MetricUnit, action: str) -> None:
    """Emit one metric about a step itself, by its action."""
    if metrics_disabled():
        return
    with single_metric(name=metric, unit=unit, value=value, namespace=NAMESPACE) as single:
        single.add_dimension("environment", ENVIRONMENT)
        single.add_dimension("service", SERVICE)
        single.add_dimension("action", action)


def measure_gate(gate: str, value: float) -> None:
    """Emit the verdict of one gate as a number."""
    if metrics_disabled():
        return
    with single_metric(name=Metric.GATE_VERDICT, unit=MetricUnit.NoUnit, value=value, namespace=NAMESPACE) as single:
        single.add_dimension("environment", ENVIRONMENT)
        single.add_dimension("service", SERVICE)
        single.add_dimension("gate", gate)


def peak_memory_mb() -> float:
    """Return the most memory that this process has held so far, in MB of Lambda (2**20 bytes)."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def metrics_disabled() -> bool:
    """Say whether metrics are switched off; `single_metric` does not look by itself."""
    return os.environ.get("POWERTOOLS_METRICS_DISABLED", "").lower() == "true"


def flush_metrics() -> None:
    """Write the metrics of this invocation, if there are any."""
    if metrics.metric_set:
        metrics.flush_metrics()
