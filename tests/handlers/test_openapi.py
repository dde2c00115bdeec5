"""The OpenAPI document: valid, and of every HTTP function of the real app."""

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from domain.jobs.records.job_status import JobStatus
from tests.handlers.conftest import ControlPlane
from tests.kit.real_app import indexed


def http_functions() -> list[dict[str, Any]]:
    return [f for f in indexed()["functions"] if f["type"] == "httpTrigger"]


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    found = [
        (operation["operationId"], (path, method.upper(), operation))
        for path, methods in indexed()["openapi"]["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(found) == len(dict(found)), "ids are unique"
    return dict(found)


def test_the_document_is_valid() -> None:
    errors = [str(error) for error in OpenAPIV31SpecValidator(indexed()["openapi"]).iter_errors()]
    assert errors == []


def test_every_function_is_described_and_every_description_is_a_function() -> None:
    assert set(operations()) == {function["name"] for function in http_functions()}


def test_each_is_described_at_its_route_by_a_method_it_answers() -> None:
    found = operations()
    for function in http_functions():
        path, method, operation = found[function["name"]]
        assert path == "/" + function["route"].replace("{*", "{")
        assert method in function["methods"]
        assert operation["summary"]


def test_what_lists_of_jobs_are_narrowed_by_is_told() -> None:
    for name in ("list_jobs", "list_batch_endpoint_jobs", "list_batch_endpoint_jobs_for_sdk"):
        parameters = operations()[name][2]["parameters"]
        [status] = [each for each in parameters if each["name"] == "status"]
        assert status["schema"]["enum"] == list(JobStatus)


def test_functions_that_take_a_body_say_which() -> None:
    for name, (_, method, operation) in operations().items():
        if method in ("PUT", "PATCH") and not operation["summary"].startswith("Refused"):
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert schema, name


def test_only_what_holds_no_secret_is_open() -> None:
    open_to_all = {name for name, (_, _, o) in operations().items() if o["security"] == []}
    assert open_to_all == {
        *("get_openapi", "get_discovery", "get_health", "get_readiness"),
        "change_studio_session",
        "get_studio",
    }


async def test_the_document_is_served_without_a_token(plane: ControlPlane) -> None:
    reply = await plane.client(None).http.get("/openapi.json")
    assert reply.status_code == 200
    body = reply.json()
    assert body["openapi"] == "3.1.0"
    assert body["servers"] == [{"url": plane.routes.addresses.base_url}]
