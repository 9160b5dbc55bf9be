"""Faults of the stores, by the names that the retry policy of the state machines uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from lambdas.core.errors import AmtsError

TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Codes that AWS documents as passing by themselves; what is left after botocore's own retries."""


class TransientStoreError(AmtsError):
    """A store answered with a fault that is likely to pass; the step is retried."""


def error_code(error: ClientError) -> str:
    """Return the service's own code of an error, for example ``NoSuchKey``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def transient_faults() -> Iterator[None]:
    """Turn throttling, timeouts and 5xx answers into `TransientStoreError`; every other error passes unchanged."""
    try:
        yield
    except (
        ConnectTimeoutError,
        ReadTimeoutError,
        EndpointConnectionError,
        ConnectionClosedError,
        HTTPClientError,
    ) as e:
        raise TransientStoreError(
            f"AWS could not be reached: {e}. The step is retried; see the network's health."
        ) from e
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if error_code(error) in TRANSIENT_CODES or status >= 500:
            raise TransientStoreError(
                f"{error.operation_name} was turned away: {error}. The step is retried."
            ) from error
        raise
