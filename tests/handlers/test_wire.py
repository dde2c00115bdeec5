"""JSON of the wire: what is read, what is refused, and that every fault is told at once."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.errors import MAX_FAULTS, Invalid, TooLarge
from domain.ground.resource import Wanted
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpointProperties
from domain.values import Value
from handlers import wire
from handlers.control import batch_endpoints, online_endpoints

V = TypeVar("V", bound=Value)
Endpoint = Wanted[OnlineEndpointProperties]
Deployment = Wanted[OnlineDeploymentProperties]
FIELDS = {**batch_endpoints.ARM_FIELDS, **online_endpoints.ARM_FIELDS}


def request(*pieces: bytes, length: int | None = None) -> Request:
    left = list(pieces) or [b""]

    async def receive() -> dict[str, Any]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    headers = [(b"content-length", str(length).encode())] if length is not None else []
    return Request({"type": "http", "method": "PUT", "path": "/", "headers": headers}, receive)


def parsed(model: type[V], body: Any) -> V:
    return wire.parse(model, body, FIELDS)


def faults(model: type[Any], body: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refused:
        parsed(model, body)
    details = refused.value.details
    assert details
    assert refused.value.target == details[0].target
    return {detail.target: detail.message for detail in details}


# -- reading JSON -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces", [[b'{"a": 1}'], [b'{"a"', b": 1", b"}"], [b'\xef\xbb\xbf{"a": 1}']]
)
async def test_json_is_read_in_however_many_pieces(pieces: Sequence[bytes]) -> None:
    assert await wire.read_json(request(*pieces)) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (b"", "needs a JSON body"),
        (b"{", "not valid JSON"),
        (b"not json", "not valid JSON"),
        (b'{"a": 1,}', "not valid JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "too large a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b'"\xc3\x28"', "not valid JSON"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 100_000, "deep"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "deep"),
        (b"[" * 900 + b"]" * 900, "deep"),
        (b"[" * 66 + b"]" * 66, "deep"),
    ],
)
async def test_what_is_no_json_we_could_write_again_is_refused(body: bytes, because: str) -> None:
    with pytest.raises(Invalid, match=because) as refused:
        await wire.read_json(request(body))
    assert refused.value.code == "InvalidRequestContent"
    assert len(refused.value.message) < 300


async def test_sixty_four_levels_are_not_too_deep() -> None:
    assert await wire.read_json(request(b"[" * 64 + b"]" * 64))


@pytest.mark.parametrize("length", [None, 10, wire.MAX_BODY + 1, 10**30])
async def test_a_body_over_the_limit_is_too_large_declared_or_not(length: int | None) -> None:
    body = request(*[b" " * 100_000] * 12, length=length)
    with pytest.raises(TooLarge, match=str(wire.MAX_BODY)):
        await wire.read_json(body)


async def test_a_body_without_end_is_cut_off_at_the_limit() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    pieces = endless()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(pieces), "more_body": True}

    body = Request({"type": "http", "method": "PUT", "path": "/", "headers": []}, receive)
    with pytest.raises(TooLarge):
        await wire.read_json(body)


# -- reading values ---------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, [], "x", 3, True, [{}]])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert faults(Endpoint, body) == {None: "The body must be a JSON object."}


@pytest.mark.parametrize("properties", [[], "x", 3])
def test_an_object_is_needed_where_one_is_meant(properties: Any) -> None:
    assert faults(Endpoint, {"properties": properties}) == {
        "properties": "This must be a JSON object."
    }


def test_field_names_are_read_in_any_case_and_keys_of_maps_as_they_are() -> None:
    body = {
        "PROPERTIES": {"AuthMode": "key", "traffic": {"Blue": 0}, "PROPERTIES": {"aB": "c"}},
        "Tags": {"MiXed": "Case"},
    }
    read = parsed(Endpoint, body)
    assert read.tags == {"MiXed": "Case"}
    assert read.properties.traffic == {"Blue": 0}
    assert read.properties.properties == {"aB": "c"}


@pytest.mark.parametrize("mode", ["key", "KEY", "Key"])
def test_the_values_of_an_enumeration_are_read_in_any_case(mode: str) -> None:
    body = {
        "location": "here",
        "properties": {"authMode": mode, "publicNetworkAccess": "enabled"},
    }
    read = parsed(Endpoint, body).properties
    assert (read.auth_mode, read.public_network_access) == ("Key", "Enabled")


def test_one_field_given_in_two_spellings_is_a_fault() -> None:
    found = faults(Endpoint, {"properties": {"authMode": "Key", "AUTHMODE": "AMLToken"}})
    assert found == {"properties.AUTHMODE": "'authMode' is given twice."}


def test_read_only_fields_of_an_earlier_answer_are_dropped() -> None:
    body = {
        "id": "/x",
        "name": "iris",
        "type": "t",
        "systemData": {"createdBy": "x"},
        "etag": "e",
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {
            "provisioningState": "Succeeded",
            "scoringUri": "https://x",
            "swaggerUri": None,
            "error": {"code": "x"},
        },
    }
    read = parsed(Endpoint, body)
    assert read == parsed(Endpoint, {"identity": {}, "properties": {}})


@pytest.mark.parametrize(
    ("field", "hint"),
    [("trafic", "Did you mean 'traffic'?"), ("auth_mode", "'authMode'"), ("zzzz", "Known: ")],
)
def test_an_unknown_field_is_refused_with_the_name_it_may_have_meant(field: str, hint: str) -> None:
    found = faults(Endpoint, {"properties": {field: {}}})
    assert hint in found[f"properties.{field}"]


def test_a_huge_unknown_field_name_makes_no_huge_answer() -> None:
    found = faults(Endpoint, {"properties": {}, "x" * 500_000: 1})
    assert sum(len(f"{target}{message}") for target, message in found.items()) < 1000


def test_so_many_faults_are_told_as_anyone_would_read() -> None:
    body = {"properties": {f"authMod{i}": 1 for i in range(20_000)}}
    with pytest.raises(Invalid) as refused:
        parsed(Endpoint, body)
    assert len(refused.value.details) == MAX_FAULTS


REFUSED = ["startupProbe", "privateNetworkConnection"]


@pytest.mark.parametrize("field", REFUSED)
@pytest.mark.parametrize("nothing", [None, {}, [], ""])
def test_a_field_that_would_mislead_may_be_empty(field: str, nothing: Any) -> None:
    parsed(Deployment, {"properties": {field: nothing}})


@pytest.mark.parametrize("field", REFUSED)
def test_a_field_that_would_mislead_is_refused_with_the_reason(field: str) -> None:
    found = faults(Deployment, {"properties": {field: {"a": 1}}})
    assert list(found) == [f"properties.{field}"]
    assert "no field" not in found[f"properties.{field}"]


def test_null_means_the_default() -> None:
    nulls = dict.fromkeys(["model", "requestSettings", "livenessProbe", "environmentVariables"])
    nulls |= dict.fromkeys(["codeConfiguration", "scaleSettings", "instanceType", "description"])
    assert parsed(Deployment, {"properties": nulls}) == wire.parse(Deployment, {"properties": {}})
    tags: dict[str, Any] = {
        "tags": None,
        "sku": None,
        "identity": None,
        "location": None,
        "properties": {},
    }
    assert parsed(Deployment, tags) == parsed(Deployment, {"properties": {}})


def test_every_fault_is_told_at_once_with_its_target() -> None:
    found = faults(
        Deployment,
        {
            "loction": "x",
            "tags": {"a": {}},
            "sku": {"capacity": -1, "nme": "x"},
            "properties": {
                "codeConfiguration": {"codeId": 3},
                "requestSettings": {"requestTimeout": "five seconds", "maxConcurent": 1},
                "livenessProbe": {"period": "PT0S"},
                "environmentVariables": {"A=B": "x", "C": None},
                "endpointComputeType": "Managd",
                "dataCollector": {"collections": {"x": {"samplingRate": 2}}},
                "appInsightsEnabled": "perhaps",
            },
        },
    )
    assert set(found) == {
        "loction",
        "tags.a",
        "sku.capacity",
        "sku.nme",
        "properties.codeConfiguration.codeId",
        "properties.codeConfiguration.scoringScript",
        "properties.requestSettings.requestTimeout",
        "properties.requestSettings.maxConcurent",
        "properties.livenessProbe.period",
        "properties.environmentVariables.A=B",
        "properties.environmentVariables.C",
        "properties.endpointComputeType",
        "properties.dataCollector.collections.x.samplingRate",
        "properties.appInsightsEnabled",
    }
    assert found["properties.codeConfiguration.scoringScript"] == "This field is required."
    timeout = found["properties.requestSettings.requestTimeout"]
    assert (
        timeout
        == "A duration is ISO 8601, such as PT30S, or a number of seconds; given: 'five seconds'."
    )


def test_a_missing_envelope_is_told() -> None:
    assert faults(Endpoint, {}) == {"properties": "This field is required."}


@pytest.mark.parametrize("percent", ["90", 90.0])
def test_a_number_that_is_one_is_read(percent: Any) -> None:
    read = parsed(Endpoint, {"properties": {"traffic": {"blue": percent}}})
    assert read.properties.traffic == {"blue": 90}


@pytest.mark.parametrize("percent", [90.5, "many", None, [], {}])
def test_a_percentage_that_is_no_whole_number_is_refused(percent: Any) -> None:
    found = faults(Endpoint, {"properties": {"traffic": {"blue": percent}}})
    assert list(found) == ["properties.traffic.blue"]
    assert len(found["properties.traffic.blue"]) < 300


# -- merge patch ------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=5)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def rfc7396(target: Any, patch: Any) -> Any:
    """The RFC's own pseudo code."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        target = dict(target)
        for name, value in patch.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = rfc7396(target.get(name), value)
        return target
    return patch


@given(trees, trees)
def test_merging_is_rfc_7396(current: Any, patch: Any) -> None:
    before = json.dumps([current, patch])
    merged = wire.merge_patch(current, patch)
    assert merged == rfc7396(current, patch)
    assert wire.merge_patch(merged, patch) == merged, "twice is once"
    assert json.dumps([current, patch]) == before, "neither is changed in place"


@given(trees)
def test_an_empty_patch_changes_nothing(current: Any) -> None:
    if isinstance(current, dict):
        assert wire.merge_patch(current, {}) == current


def test_a_patch_may_spell_fields_in_any_case_but_not_keys_of_maps() -> None:
    current = {
        "tags": {"Env": "a"},
        "properties": {"environmentVariables": {"PATH": "x"}, "requestSettings": {}},
    }
    patch = {
        "Tags": {"env": "b"},
        "Properties": {
            "EnvironmentVariables": {"path": "y"},
            "REQUESTSETTINGS": {"requesttimeout": "PT1S"},
        },
    }
    merged = wire.merge_patch(current, patch, Deployment)
    assert merged == {
        "tags": {"Env": "a", "env": "b"},
        "properties": {
            "environmentVariables": {"PATH": "x", "path": "y"},
            "requestSettings": {"requestTimeout": "PT1S"},
        },
    }
    assert parsed(Deployment, merged)


# -- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [OnlineEndpointProperties, OnlineDeploymentProperties, BatchDeploymentProperties]
)
def test_what_is_written_can_be_read_again(model: Any) -> None:
    value = model()
    assert parsed(model, json.loads(json.dumps(wire.to_wire(value)))) == value


def test_durations_are_written_as_iso_8601() -> None:
    written = wire.to_wire(OnlineDeploymentProperties())
    assert written["requestSettings"]["maxQueueWait"] == "PT0.5S"
    assert written["livenessProbe"]["period"] == "PT10S"


def test_the_recursion_limit_is_as_it_was() -> None:
    assert sys.getrecursionlimit() == 1000
