"""The step decorator: dispatch, what is refused and how it says so, how large a result may be."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from lambdas.adapters.errors import StoreAccessError, TransientStoreError
from lambdas.contracts import errors as error_names
from lambdas.contracts.base import MAX_RESULT_BYTES, Contract
from lambdas.contracts.metrics import Metric
from lambdas.core import errors as core_errors
from lambdas.core.errors import InvalidRequestError
from lambdas.runtime.observability import measure
from lambdas.runtime.step import engine_handler, step
from lambdas.runtime.stores import Stores


class Say(Contract):
    action: Literal["say"]
    run_id: str
    times: int = 1


class Said(Contract):
    text: str


@step(Say, Said)
def say(request: Say, stores: Stores) -> Said:
    return Said(text="x" * request.times)


def failing(error: Exception) -> Any:
    @step(Say, Said)
    def fails(request: Say, stores: Stores) -> Said:
        raise error

    return fails


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ARTEFACTS_BUCKET", "PERFORMANCE_BUCKET", "DATASETS_BUCKET", "ANALYTICS_TABLE", "RECOMMENDATIONS_TABLE")
    for name in names:
        monkeypatch.setenv(f"AMTS_{name}", "unused")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")


def event(**changes: Any) -> dict[str, Any]:
    return {"action": "say", "run_id": "run-1", **changes}


def test_a_result_is_plain_json() -> None:
    assert engine_handler(say)(event(times=3), None) == {"text": "xxx"}


def test_metrics_that_are_switched_off_are_not_printed_by_the_hundred(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(250):
        measure(Metric.LIVE_HIT_RATE, number / 250)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"times": "many"}, "The event of 'say' cannot be used: `times` should be a valid integer"),
        ({"run_id": None}, "`run_id` should be a valid string, not None"),
        ({"tiems": 2}, "`tiems` is not a field. Its fields are action, run_id, times"),
    ],
)
def test_a_bad_event_is_one_line_that_names_the_field(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        engine_handler(say)(event(**bad), None)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("action", ["shout", None, 3, ["say"]])
def test_an_unknown_action_lists_the_known_ones(action: Any) -> None:
    with pytest.raises(InvalidRequestError, match="the actions are say"):
        engine_handler(say)(event(action=action), None)


def test_a_result_has_a_largest_size() -> None:
    fits = MAX_RESULT_BYTES - len(json.dumps({"text": ""}))
    assert len(engine_handler(say)(event(times=fits), None)["text"]) == fits
    with pytest.raises(InvalidRequestError, match=f"has {MAX_RESULT_BYTES + 1} bytes"):
        engine_handler(say)(event(times=fits + 1), None)


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutItem",
    )


@pytest.mark.parametrize(
    ("raised", "named"),
    [
        (client_error("ProvisionedThroughputExceededException"), TransientStoreError),
        (client_error("SlowDown", 503), TransientStoreError),
        (client_error("Whatever", 500), TransientStoreError),
        (client_error("TransactionCanceledException"), TransientStoreError),
        (EndpointConnectionError(endpoint_url="https://s3"), TransientStoreError),
        (ReadTimeoutError(endpoint_url="https://s3"), TransientStoreError),
        (client_error("AccessDenied", 403), StoreAccessError),
        (client_error("ResourceNotFoundException"), StoreAccessError),
        (client_error("ValidationException"), ClientError),
        (ValueError("a bug"), ValueError),
    ],
)
def test_faults_of_aws_get_the_names_that_retries_use(raised: Exception, named: type[Exception]) -> None:
    with pytest.raises(named) as caught:
        engine_handler(failing(raised))(event(), None)
    assert type(caught.value) is named


def test_the_contract_names_real_errors_and_all_of_them() -> None:
    classes = {
        error.__name__
        for error in [*vars(core_errors).values(), TransientStoreError, StoreAccessError]
        if isinstance(error, type) and issubclass(error, core_errors.AmtsError)
    }
    abstract = {"AmtsError", "InvalidInputError"}
    named = set(error_names.RETRYABLE_ERRORS) | set(error_names.PERMANENT_ERRORS)
    # InvalidInputError is raised itself where no subclass fits, so it may be named or not.
    assert named - abstract == classes - abstract
    assert not set(error_names.RETRYABLE_ERRORS) & set(error_names.PERMANENT_ERRORS)
    assert error_names.CHAMPION_CHANGED in classes
