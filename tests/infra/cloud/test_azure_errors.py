"""What the SDKs raise, as the domain has it."""

import inspect
from importlib import import_module
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey
from azure.core import exceptions as core
from azure.cosmos import exceptions as cosmos
from azure.cosmos.http_constants import HttpHeaders
from azure.servicebus import exceptions as bus

from domain import errors
from infra.cloud.azure_errors import BY_CLASS, HTTP_ERRORS
from infra.cloud.faults import fault
from infra.rules.queue_consumer import LockLost

made: Any = cosmos  # whose constructors have no types

EXPORTING = {
    "azure.core.exceptions": 20,
    "azure.cosmos": 0,
    "azure.cosmos.aio": 0,
    "azure.cosmos.exceptions": 10,
    "azure.identity": 2,
    "azure.identity.aio": 0,
    "azure.servicebus": 0,
    "azure.servicebus.aio": 0,
    "azure.servicebus.amqp": 0,
    "azure.servicebus.exceptions": 20,
    "azure.storage.blob": 1,
    "azure.storage.blob.aio": 0,
}
"""The SDKs' public modules, and how many exceptions each has at least."""


def exported(module: str) -> list[type[Exception]]:
    return [
        member
        for name, member in inspect.getmembers(import_module(module), inspect.isclass)
        if issubclass(member, Exception) and not name.startswith("_")
    ]


@pytest.mark.parametrize("module", EXPORTING)
def test_every_error_that_an_sdk_exports_has_a_row_of_its_own(module: str) -> None:
    found = exported(module)
    assert len(found) >= EXPORTING[module]
    assert [error.__name__ for error in found if error not in BY_CLASS] == []


def test_what_an_sdk_over_http_raises_is_caught_around_it() -> None:
    over_http = [m for m in EXPORTING if not m.startswith("azure.servicebus")]
    for error in [error for module in over_http for error in exported(module)]:
        assert issubclass(error, HTTP_ERRORS)


@pytest.mark.parametrize("kind", BY_CLASS, ids=lambda kind: kind.__name__)
def test_every_row_becomes_an_error_of_ours_that_says_whose_it_is(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "x")
    seen = fault(error, "The blob 'a'").error
    assert isinstance(seen, LockLost) or seen.message.startswith("The blob 'a': ")


def test_an_error_takes_the_row_of_its_nearest_class() -> None:
    class Busier(bus.ServiceBusServerBusyError):
        pass

    assert isinstance(fault(Busier(), "").error, errors.Throttled)
    assert isinstance(fault(ConnectionResetError(), "").error, errors.Unavailable)


def test_what_is_no_sdks_own_is_a_fault_that_may_pass() -> None:
    private = fault(KeyError("x"), "Service Bus")
    assert isinstance(private.error, errors.Unavailable)
    assert private.passing
    assert not private.link_holds


def test_what_is_the_domains_stays_as_it_is() -> None:
    for ours in (errors.BlobExists("there"), LockLost()):
        assert fault(ours, "x").error is ours


def test_a_throttled_link_holds_and_says_when_to_come_back() -> None:
    busy = fault(bus.ServiceBusServerBusyError(), "Service Bus")
    assert isinstance(busy.error, errors.Throttled)
    assert (busy.error.retry_after, busy.passing, busy.link_holds) == (10, True, True)


def test_service_buss_own_words_are_told() -> None:
    error = fault(bus.ServiceBusQuotaExceededError(message="the queue is full"), "Service Bus")
    assert isinstance(error.error, errors.StorageFull)
    assert error.error.message == "Service Bus: the queue is full"


class Answer(core.HttpResponseError):
    """As the SDKs raise it for an answer of a service."""

    def __init__(
        self, status: int, *, error_code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message="secret body")
        self.status_code = status
        self.error_code = error_code
        self.headers = headers or {}


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (400, errors.Invalid),
        (401, errors.Unavailable),
        (403, errors.Unavailable),
        (404, errors.NotFound),
        (408, errors.Unavailable),
        (409, errors.Conflict),
        (412, errors.PreconditionFailed),
        (413, errors.TooLarge),
        (429, errors.Throttled),
        (449, errors.Unavailable),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
        (507, errors.StorageFull),
        (599, errors.Unavailable),
    ],
)
def test_an_answer_is_judged_by_its_status(status: int, wanted: type[errors.DomainError]) -> None:
    found = fault(Answer(status), "The blob 'a'").error
    assert type(found) is wanted
    assert str(found) == f"The blob 'a': the service answered {status}."


@pytest.mark.parametrize("status", [408, 410, 429, 449, 500, 502, 503, 504])
def test_what_may_pass_is_worth_another_try(status: int) -> None:
    assert fault(Answer(status), "").passing


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413])
def test_what_will_not_pass_is_not(status: int) -> None:
    assert not fault(Answer(status), "").passing


def test_a_services_own_code_goes_before_the_status() -> None:
    assert fault(Answer(409, error_code="ContainerBeingDeleted"), "").passing
    leased = fault(
        Answer(412, error_code="LeaseIdMissing"), "", {errors.Conflict: errors.BlobExists}
    )
    assert isinstance(leased.error, errors.Conflict)
    assert type(leased.error) is not errors.BlobExists
    assert leased.error.code == "BlobIsLeased"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "99999999"}, 3600.0),
        ({}, None),
    ],
)
def test_the_wait_that_a_service_asks_for_is_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert fault(Answer(429, headers=headers), "").retry_after == seconds


def test_a_container_of_cosmos_that_is_missing_is_no_missing_document() -> None:
    missing = made.CosmosResourceNotFoundError(status_code=404, message="x", sub_status=1003)
    found = fault(missing, "The document 'a'", {errors.NotFound: errors.DocumentNotFound})
    assert isinstance(found.error, errors.Unavailable)
    assert found.error.code == "DependencyNotSetUp"


def test_a_partition_that_is_full_is_no_refused_credential() -> None:
    full = made.CosmosHttpResponseError(status_code=403, message="x", sub_status=1014)
    assert type(fault(full, "").error) is errors.StorageFull


def test_an_operation_of_a_batch_is_judged_by_its_status() -> None:
    headers = {HttpHeaders.SubStatus: "0", "x-ms-retry-after-ms": "10"}
    throttled = made.CosmosBatchOperationError(0, headers, 429, "x", [])
    found = fault(throttled, "")
    assert (type(found.error), found.retry_after) == (errors.Throttled, 0.01)


def test_only_a_connection_that_was_never_made_is_sure_to_have_done_nothing() -> None:
    key = ConnectionKey("h", 1, False, True, None, None, None)
    never = core.ServiceRequestError("x", error=ClientConnectorError(key, OSError()))
    broken = core.ServiceRequestError("x", error=ServerDisconnectedError())
    assert fault(never, "").unseen
    assert not fault(broken, "").unseen
    assert fault(Answer(429), "").unseen
    assert not fault(Answer(503), "").unseen
    assert not fault(core.ServiceResponseTimeoutError("x"), "").unseen
