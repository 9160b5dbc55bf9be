"""Faults of the stores, by the names that the retry policy of the state machines uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError, NoCredentialsError

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

ACCESS_CODES = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "InvalidAccessKeyId",
        "NoSuchBucket",
        "NotFound",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
        "UnrecognizedClientException",
    }
)
"""Codes that mean a wrong name or a missing permission."""


class TransientStoreError(AmtsError):
    """A store answered with a fault that is likely to pass; the step is retried."""

    remedy = "Start again later if the retries were not enough (`amts redrive RUN_ID`); what was done is found again."


class StoreAccessError(AmtsError):
    """A bucket, table, topic or state machine is missing or may not be used: the deployment is wrong, not the run."""

    remedy = "Compare with the deployed stack: `amts run --dry-run` names what cannot be reached."


def error_code(error: ClientError) -> str:
    """Return the service's own code of an error, for example ``NoSuchKey``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cancelled_by_condition(error: ClientError) -> bool:
    """Say whether a transaction was cancelled because a condition did not hold, and for no passing reason."""
    if error_code(error) != "TransactionCanceledException":
        return False
    reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
    return "ConditionalCheckFailed" in reasons


@contextmanager
def named_faults() -> Iterator[None]:
    """Give throttling, timeouts, 5xx answers and refused access their names; every other error passes unchanged.

    Raises
    ------
    TransientStoreError
        For what is likely to pass by waiting.
    StoreAccessError
        For a wrong name, or a permission that is missing.
    """
    try:
        yield
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise TransientStoreError(f"AWS could not be reached: {error}. The step is retried.") from error
    except NoCredentialsError as error:
        raise StoreAccessError("There are no AWS credentials; give the function its role, or log in.") from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        # What cancels a transaction, when no condition does, is another transaction or throttling.
        cancelled = error_code(error) == "TransactionCanceledException" and not cancelled_by_condition(error)
        if error_code(error) in TRANSIENT_CODES or status >= 500 or cancelled:
            raise TransientStoreError(
                f"{error.operation_name} was turned away: {error}. The step is retried."
            ) from error
        if error_code(error) in ACCESS_CODES:
            raise StoreAccessError(
                f"{error.operation_name} was refused: {error}. Check the name in the settings and the function's role."
            ) from error
        raise
