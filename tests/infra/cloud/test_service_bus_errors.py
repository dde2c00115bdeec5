"""Every error of azure-servicebus has its place in the table."""

import inspect

import pytest
from azure.servicebus import exceptions

from domain import errors
from infra.cloud.service_bus_errors import TABLE, row, translated
from infra.queue_consumer import LockLost

_RAISED = [
    error
    for _, error in inspect.getmembers(exceptions, inspect.isclass)
    if error.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("error", _RAISED)
def test_every_error_of_the_sdk_is_in_the_table(error: type[Exception]) -> None:
    assert error in TABLE


@pytest.mark.parametrize("error", TABLE)
def test_every_error_becomes_one_of_ours_that_says_why(error: type[Exception]) -> None:
    seen = TABLE[error].error("the reason")
    assert isinstance(seen, (errors.DomainError, LockLost))
    assert isinstance(seen, LockLost) or "the reason" in seen.message


def test_an_error_takes_the_row_of_its_nearest_class() -> None:
    class Subclass(exceptions.ServiceBusServerBusyError):
        pass

    assert row(Subclass()) is TABLE[exceptions.ServiceBusServerBusyError]
    assert row(ConnectionResetError()) is TABLE[OSError]


def test_what_is_not_the_sdks_own_is_a_fault_that_may_pass() -> None:
    assert isinstance(translated(KeyError("x")), errors.Unavailable)


def test_a_throttled_call_says_when_to_come_back() -> None:
    error = translated(exceptions.ServiceBusServerBusyError())
    assert isinstance(error, errors.Throttled)
    assert error.retry_after == 10
