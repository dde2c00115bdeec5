"""Online endpoints, from a caller's side of the door."""

import asyncio
import collections
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.client import CallFailed
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, eventually, until

pytestmark = pytest.mark.journey
ANIMALS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")
ALL_TO_ANT = {**dict.fromkeys(ANIMALS, 0), "ant": 100}

RAW_ENVIRONMENT = """
name: raw
dependencies:
  - python=3.11
  - pip:
      - azureml-inference-server-http
"""

RAW = """
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    kind = request.headers.get("content-type", "none")
    return AMLResponse(request.get_data(), 200, {"Content-Type": kind})
"""


@pytest.fixture(scope="module")
def echo(host: RunningHost) -> str:
    return serving.codes(host, "echo", {"score.py": serving.ECHO})


@pytest.fixture(scope="module")
def split(host: RunningHost, echo: str) -> Iterator[httpx.Client]:
    """An endpoint with seven deployments of which each tells its name."""
    serving.endpoint(host, "split")
    operations = []
    for name in ANIMALS:
        body = serving.deployment_body(
            host,
            echo,
            environmentVariables={"NAME": name},
            requestSettings={"maxConcurrentRequestsPerInstance": 16},
        )
        path = f"onlineEndpoints/split/deployments/{name}"
        operations.append(host.workspace.call("PUT", path, body).headers["Azure-AsyncOperation"])
    for operation in operations:
        serving.succeeded(host, operation)
    with serving.caller(host, "split") as client:
        yield client


@pytest.mark.cluster
def test_a_deployment_is_created_polled_both_ways_and_scored(host: RunningHost, echo: str) -> None:
    workspace = host.workspace
    serving.endpoint(host, "polled")
    path = "onlineEndpoints/polled/deployments/blue"
    put = workspace.call("PUT", path, serving.deployment_body(host, echo))
    assert put.status_code == 201
    assert put.json()["properties"]["provisioningState"] == "Creating"
    operation = put.headers["Azure-AsyncOperation"]
    assert operation.startswith(host.url)
    assert int(put.headers["Retry-After"]) >= 0
    with pytest.raises(CallFailed, match="409"):
        workspace.call("PATCH", path, {"tags": {"a": "b"}})
    ended = until(
        lambda: (s := workspace.call("GET", operation).json())["status"] == "Succeeded" and s
    )
    assert ended["startTime"] < ended["endTime"]
    shown = workspace.get(path)
    assert shown["properties"]["provisioningState"] == "Succeeded"

    patched = workspace.call("PATCH", path, {"tags": {"team": "digits"}})
    assert patched.status_code == 202
    location = patched.headers["Location"]
    done = until(lambda: (r := workspace.call("GET", location)).status_code == 200 and r)
    assert done.json()["tags"] == {"team": "digits"}

    with serving.caller(host, "polled") as client:
        assert client.post("", json={}).status_code == 404
        serving.traffic(host, "polled", blue=100)
        answer = client.post("", json={"a": [1, 2]})
        assert (answer.status_code, answer.json()) == (200, {"a": [1, 2]})
        assert answer.headers["azureml-model-deployment"] == "blue"
        assert answer.headers["x-request-id"]

    deleted = workspace.call("DELETE", "onlineEndpoints/polled")
    assert deleted.status_code == 202
    location = deleted.headers["Location"]
    gone = until(lambda: (r := workspace.call("GET", location)).status_code != 202 and r)
    assert gone.status_code in (200, 204)
    with pytest.raises(CallFailed, match="404"):
        workspace.get("onlineEndpoints/polled")
    assert workspace.call("DELETE", "onlineEndpoints/polled").status_code == 204


@pytest.mark.parametrize(
    "shares",
    [
        {"ant": 50, "bee": 33, "cat": 17},
        {"ant": 1, "bee": 2, "cat": 3, "dog": 5, "elk": 8, "fox": 13, "gnu": 68},
    ],
)
async def test_a_split_is_exact_over_its_period_with_callers_in_parallel(
    host: RunningHost, split: httpx.Client, shares: dict[str, int]
) -> None:
    serving.traffic(host, "split", **{name: shares.get(name, 0) for name in ANIMALS})
    seen: collections.Counter[str] = collections.Counter()
    async with httpx.AsyncClient(
        verify=host.tls, headers=split.headers, timeout=PATIENCE
    ) as client:

        async def send(count: int) -> None:
            for _ in range(count):
                answer = await client.post(split.base_url, json={"who": True})
                assert answer.status_code == 200, answer.text
                name = answer.headers["azureml-model-deployment"]
                assert answer.json()["name"] == name
                seen[name] += 1

        await asyncio.gather(*(send(40) for _ in range(10)))
    assert seen == {name: share * 4 for name, share in shares.items()}


def test_a_caller_may_name_a_deployment_whatever_its_traffic(
    host: RunningHost, split: httpx.Client
) -> None:
    serving.traffic(host, "split", **ALL_TO_ANT)
    named = split.post("", json={"who": True}, headers={"azureml-model-deployment": "Gnu"})
    assert (named.json()["name"], named.headers["azureml-model-deployment"]) == ("gnu", "gnu")
    unknown = split.post("", json={}, headers={"azureml-model-deployment": "nobody"})
    assert unknown.status_code == 404
    assert ", ".join(ANIMALS) in unknown.json()["error"]["message"]


def test_a_rotated_key_is_refused_and_the_other_is_not(
    host: RunningHost, split: httpx.Client
) -> None:
    old = serving.key(host, "split")
    second = serving.key(host, "split", "secondaryKey")
    host.workspace.mutate("POST", "onlineEndpoints/split/regenerateKeys", {"keyType": "Primary"})
    new = serving.key(host, "split")
    assert len({old, second, new}) == 3
    assert serving.key(host, "split", "secondaryKey") == second
    codes = {
        k: split.post("", json={}, headers={"authorization": f"Bearer {k}"}).status_code
        for k in (old, second, new)
    }
    assert codes == {old: 401, second: 200, new: 200}
    split.headers["authorization"] = f"Bearer {new}"
    for authorization in ("", "Bearer", f"Basic {new}", f"Bearer {new}x", new):
        refused = split.post("", json={}, headers={"authorization": authorization})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["error"]["code"] == "AuthenticationFailed"
    token = host.workspace.token()
    assert split.post("", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_every_refusal_says_limit_load_and_when_to_come_again(
    host: RunningHost, echo: str, tmp_path: Path
) -> None:
    serving.endpoint(host, "tight")
    settings = {"maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.05S"}
    serving.deploy(host, "tight/one", echo, requestSettings=settings)
    serving.deploy(host, "tight/hasty", echo, requestSettings={"requestTimeout": "PT0.6S"})
    serving.traffic(host, "tight", one=100)
    with serving.caller(host, "tight") as client:
        endless = serving.Hold(host)
        hasty = {"azureml-model-deployment": "hasty"}
        late = client.post("", json=endless.asked, headers=hasty)
        assert late.status_code == 408
        assert late.json()["error"]["limit"] == {"request_timeout_ms": 600}
        endless.open()

        # One that does not answer its host for some seconds takes no requests, which wait here for
        # no time at all.
        broken = until(
            lambda: (b := client.post("", json={"raise": "no"})).status_code == 424 and b
        )
        assert broken.headers["ms-azureml-model-error-statuscode"] == "500"
        assert broken.headers["ms-azureml-model-error-reason"] == "model_error"
        assert broken.headers["x-ms-run-function-failed"] == "True"

        hold = serving.Hold(host)

        async def flood() -> tuple[httpx.Response, list[httpx.Response]]:
            async with httpx.AsyncClient(
                verify=host.tls, headers=client.headers, timeout=PATIENCE
            ) as many:
                first = asyncio.create_task(many.post(client.base_url, json=hold.asked))
                await eventually(hold.in_hand)
                others = await asyncio.gather(
                    *(many.post(client.base_url, json={}) for _ in range(7))
                )
                hold.open()
                return await first, others

        first, others = asyncio.run(flood())
        assert first.status_code == 200
        for answer in others:
            assert answer.status_code == 429
            error = answer.json()["error"]
            assert error["limit"]["max_concurrent_requests_per_instance"] == 1
            assert error["load"]["in_flight"] >= 1
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"

        def too_much() -> Iterator[bytes]:
            for _ in range(101):
                yield bytes(2**20)

        declared = host.exchange(
            f"POST /endpoints/tight/score HTTP/1.1\r\nhost: x\r\n"
            f"authorization: {client.headers['authorization']}\r\n"
            f"content-length: {101 * 2**20}\r\n\r\n".encode()
        )
        assert declared.startswith(b"HTTP/1.1 413")
        assert b'"max_request_bytes": 104857600' in declared
        streamed = client.post("", content=too_much())
        assert streamed.status_code == 413
        until(lambda: client.post("", json={}).status_code == 200)
        missing = client.post(str(client.base_url).replace("tight", "nothing"), json={})
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "EndpointNotFound"


@pytest.fixture(scope="module")
def raw(host: RunningHost) -> Iterator[httpx.Client]:
    code = serving.codes(host, "raw", {"score.py": RAW})
    environment = serving.environment(host, "raw", RAW_ENVIRONMENT)
    serving.endpoint(host, "raw")
    serving.deploy(
        host,
        "raw/one",
        code,
        environmentId=environment,
        requestSettings={"maxConcurrentRequestsPerInstance": 4},
    )
    serving.traffic(host, "raw", one=100)
    with serving.caller(host, "raw") as client:
        yield client


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "text/plain", "x/y"])
def test_bodies_pass_byte_for_byte_whatever_their_type(raw: httpx.Client, kind: str) -> None:
    body = bytes(range(256)) * 1000
    answer = raw.post("", content=body, headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    assert answer.content == body
    assert answer.headers["content-type"] == kind


def test_an_empty_and_a_chunked_body_pass(raw: httpx.Client) -> None:
    assert raw.post("").content == b""
    pieces = [b"a" * n for n in (1, 10, 1000, 100_000)]
    assert raw.post("", content=iter(pieces)).content == b"".join(pieces)


def test_fifty_megabytes_pass_and_the_host_holds_none_of_them(
    host: RunningHost, raw: httpx.Client
) -> None:
    raw.post("", content=bytes(2**20))
    before = host.memory()
    piece = hashlib.sha256(b"x").digest() * 2**15

    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield piece

    sent, got, most, size = hashlib.sha256(piece * 50), hashlib.sha256(), 0, 0
    with raw.stream("POST", "", content=pieces()) as answer:
        assert answer.status_code == 200
        for part in answer.iter_bytes():
            got.update(part)
            size += len(part)
            most = max(most, host.memory())
    assert (size, got.digest()) == (len(piece) * 50, sent.digest())
    assert most - before < 30 * 2**20


def test_callers_that_go_away_hold_nothing_up(host: RunningHost, raw: httpx.Client) -> None:
    head = (
        "POST /endpoints/raw/score HTTP/1.1\r\nhost: x\r\n"
        f"authorization: {raw.headers['authorization']}\r\n"
    ).encode()
    for body in (b"content-length: 9\r\n\r\nhalf", b"transfer-encoding: chunked\r\n\r\n5\r\nha"):
        for _ in range(6):
            with host.connect() as connection:
                connection.sendall(head + body)
    # Places that they held would be free again in five minutes, which nobody waits here.
    with serving.caller(host, "raw") as other:
        assert other.post("", content=b"still there").content == b"still there"


@pytest.mark.cluster
def test_logs_come_with_what_the_script_printed(host: RunningHost, split: httpx.Client) -> None:
    path = "onlineEndpoints/split/deployments/ant/getLogs"

    def log(**asked: Any) -> str:
        content: str = host.workspace.call("POST", path, asked).json()["content"]
        return content

    # An instance that is busy may not say in time what it has printed.
    until(lambda: "init says hello" in log(containerType="InferenceServer"))
    until(lambda: len(log(tail=1).splitlines()) == 1)
    assert isinstance(log(containerType="StorageInitializer"), str)


def test_a_deployment_with_traffic_is_not_deleted(host: RunningHost, split: httpx.Client) -> None:
    serving.traffic(host, "split", **ALL_TO_ANT)
    with pytest.raises(CallFailed, match=r"409 DeploymentHoldsTraffic.*100 %"):
        host.workspace.call("DELETE", "onlineEndpoints/split/deployments/ant")
    host.workspace.mutate("DELETE", "onlineEndpoints/split/deployments/gnu")
    with pytest.raises(CallFailed, match="404"):
        host.workspace.get("onlineEndpoints/split/deployments/gnu")


@pytest.mark.cluster
def test_deleting_an_endpoint_ends_its_instances(
    fleet: Fleet, host: RunningHost, echo: str
) -> None:
    serving.endpoint(host, "short")
    serving.deploy(host, "short/blue", echo, count=2)
    serving.deploy(host, "short/green", echo)
    assert len(fleet.instances(host, "short/blue")) >= 2
    assert fleet.instances(host, "short/green")
    deleted = host.workspace.call("DELETE", "onlineEndpoints/short")
    # A request of theirs might take five minutes, which is not waited for where there is none.
    serving.succeeded(host, deleted.headers["Azure-AsyncOperation"])
    assert not fleet.instances(host, "short/blue")
    assert not fleet.instances(host, "short/green")


def test_traffic_that_moves_under_load_fails_no_request(
    host: RunningHost, split: httpx.Client
) -> None:
    seen = asyncio.run(_under_load(host, split, lambda: _move_traffic(host)))
    assert set(seen) == {200}


def _move_traffic(host: RunningHost) -> None:
    for turn in range(10):
        share = 100 if turn % 2 else turn * 10
        serving.traffic(host, "split", ant=share, bee=100 - share)


async def _under_load(
    host: RunningHost, client: httpx.Client, change: "collections.abc.Callable[[], None]"
) -> collections.Counter[int]:
    seen: collections.Counter[int] = collections.Counter()
    failures: list[str] = []
    done = asyncio.Event()
    async with httpx.AsyncClient(verify=host.tls, headers=client.headers, timeout=PATIENCE) as many:

        async def send() -> None:
            while not done.is_set():
                answer = await many.post(client.base_url, json={"who": True})
                seen[answer.status_code] += 1
                if answer.status_code != 200:
                    failures.append(answer.text)

        callers = [asyncio.create_task(send()) for _ in range(6)]
        try:
            await asyncio.to_thread(change)
        finally:
            done.set()
            await asyncio.gather(*callers)
    assert not failures, (len(failures), seen, failures[:3])
    return seen


@pytest.mark.cluster
def test_an_update_rolls_over_under_load_without_a_failed_request(
    fleet: Fleet, host: RunningHost, echo: str
) -> None:
    serving.endpoint(host, "rolling")
    settings = {"maxConcurrentRequestsPerInstance": 8}

    def put(number: int, count: int = 1) -> None:
        serving.deploy(
            host,
            "rolling/blue",
            echo,
            count=count,
            environmentVariables={"NAME": f"number {number}"},
            requestSettings=settings,
        )

    put(0)
    serving.traffic(host, "rolling", blue=100)

    def change() -> None:
        for number in range(1, 4):
            put(number)
        put(3, count=3)
        put(3, count=1)

    with serving.caller(host, "rolling") as client:
        seen = asyncio.run(_under_load(host, client, change))
        assert set(seen) == {200}
        assert client.post("", json={"who": True}).json()["name"] == "number 3"
    until(lambda: len(fleet.instances(host, "rolling/blue")) <= 3)


@pytest.mark.cluster
def test_instances_are_added_and_taken_away(host: RunningHost, echo: str, tmp_path: Path) -> None:
    serving.endpoint(host, "many")
    settings = {"maxConcurrentRequestsPerInstance": 1}
    serving.deploy(host, "many/blue", echo, count=2, requestSettings=settings)
    serving.traffic(host, "many", blue=100)
    with serving.caller(host, "many") as client:

        async def those(count: int) -> set[str]:
            """Who answers one request more than `count` instances can have in hand."""
            hold = serving.Hold(host)
            asked = {"who": 1, **hold.asked}
            async with httpx.AsyncClient(
                verify=host.tls, headers=client.headers, timeout=PATIENCE
            ) as each:
                asking = [
                    asyncio.create_task(each.post(client.base_url, json=asked))
                    for _ in range(count + 1)
                ]
                await eventually(lambda: hold.in_hand() >= count)
                hold.open()
                return {answer.json()["who"] for answer in await asyncio.gather(*asking)}

        assert len(asyncio.run(those(2))) == 2
        path = "onlineEndpoints/many/deployments/blue"
        patched = host.workspace.call("PATCH", path, {"sku": {"name": "Default", "capacity": 3}})
        assert patched.json()["properties"]["provisioningState"] == "Scaling"
        operation = patched.headers["Azure-AsyncOperation"]
        serving.succeeded(host, operation)
        three = asyncio.run(those(3))
        assert len(three) == 3
        host.workspace.mutate("PATCH", path, {"sku": {"name": "Default", "capacity": 1}})
        [last] = until(lambda: len(who := asyncio.run(those(1))) == 1 and who, "one of the three")
        assert last in three
        assert host.workspace.get(path)["sku"]["capacity"] == 1


def test_two_deployments_of_one_environment_build_it_once(
    fleet: Fleet, host: RunningHost, split: httpx.Client
) -> None:
    asked = host.workspace.get("environments")["value"]
    assert 1 <= fleet.environments(host) <= len(asked) < len(ANIMALS)
