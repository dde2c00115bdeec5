"""Callers who may not, who say nonsense, who say it slowly, and who are many."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from examples.client import CallFailed
from outside import serving
from outside.running_host import ROOT, RunningHost
from tests.kit.waiting import PATIENCE, patience, until

HOST_ENVIRONMENT = {
    "ML_ENDPOINTS_MACHINE_MEMORY": "16Gi",
    "ML_ENDPOINTS_MEMORY_OVERCOMMIT": "16",
    "ML_ENDPOINTS_CORE_OVERCOMMIT": "32",
}
"""As a host has them by itself on a machine of some size."""
SCORE = b"POST /endpoints/open/score HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def scoring(host: RunningHost) -> Iterator[httpx.Client]:
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    serving.endpoint(host, "open")
    settings = {"maxConcurrentRequestsPerInstance": 16, "requestTimeout": "PT5M"}
    serving.deploy(host, "open/blue", code, requestSettings=settings)
    serving.traffic(host, "open", blue=100)
    with serving.caller(host, "open") as client:
        yield client


def token_of(host: RunningHost, name: str, role: str) -> str:
    """Add a client to the running host's issuer, as its operator does, and log in with it."""
    added = subprocess.run(
        [
            *(sys.executable, "-m", "infra.embedded", "clients", "add", name),
            *("--role", role, "--data-dir", str(host.data_dir)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    words = added.stdout.split()
    client = dict(zip(words[::2], words[1::2], strict=True))
    answer = host.workspace.http.post(
        host.connection["token_url"], data={"grant_type": "client_credentials", **client}
    )
    token: str = answer.json()["access_token"]
    return token


READS_BY_POST = (
    *("/dataversion/batchGetResolvedUris", "/rundata", "/listNodes"),
    "/Microsoft.CostManagement/query",
)


def operations(host: RunningHost) -> list[tuple[str, str, bool]]:
    """Method, path and whether it is open, of all that our own OpenAPI document lists."""
    document = host.workspace.http.get(f"{host.url}/openapi.json").json()
    _, _, subscription, _, group, _, _, _, workspace = host.connection["workspace"].split("/")
    known = {"subscription": subscription, "resource_group": group, "workspace": workspace}
    found = []
    for path, methods in document["paths"].items():
        filled = re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], "some"), path)
        for method, about in methods.items():
            if method in ("get", "put", "post", "patch", "delete"):
                found.append((method.upper(), filled, about.get("security") == []))
    return found


def test_nothing_but_health_and_documents_is_open(host: RunningHost) -> None:
    forged = [
        {},
        {"authorization": "Bearer x"},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4Iiwicm9sZXMiOlsib3duZXIiXX0."},
        {"authorization": f"Basic {host.workspace.token()}"},
        {"authorization": f"Bearer {host.workspace.token()[:-6]}AAAAAA"},
    ]
    listed = operations(host)
    assert len(listed) > 60
    is_open = set()
    for method, path, _ in listed:
        for headers in forged:
            url = f"{host.url}{path}?api-version=2024-10-01"
            answer = host.workspace.http.request(method, url, headers=headers, json={})
            if answer.status_code not in (401, 403):
                is_open.add((method, path, answer.status_code))
    assert {path.split("?")[0] for _, path, _ in is_open} <= {
        *("/openapi.json", "/discovery", "/healthz", "/readyz", "/studio/some"),
        # There is no endpoint of that name, which anyone may know.
        *("/endpoints/some/score", "/endpoints/some/some", "/endpoints/some/swagger.json"),
        *("/score", "/score/some", "/v1/some", "/v2/some", "/swagger.json"),
    }, is_open


RESULTS = ("/some/failures", "/some/files", "/some/firstRows", "/some/zip")


def test_a_reader_reads_and_changes_nothing(host: RunningHost) -> None:
    reader = {"authorization": f"Bearer {token_of(host, 'reader-one', 'reader')}"}
    for method, path, _ in operations(host):
        if path.startswith(("/endpoints/some/s", "/score", "/swagger", "/openapi", "/v1/", "/v2/")):
            continue
        if path in ("/eventSubscriptions/some/some", "/studio/some"):
            continue  # A code opens it, or a session of its own; no role does.
        url = f"{host.url}{path}?api-version=2024-10-01"
        answer = host.workspace.http.request(method, url, headers=reader, json={})
        # Whom owners alone see, and what came of inputs, which is more than a reader's.
        if method == "GET" and "/clients" not in path and not path.endswith(RESULTS):
            assert answer.status_code in (200, 404), (method, path, answer.text)
        elif path.endswith(READS_BY_POST):
            assert answer.status_code in (200, 400, 404), (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path, answer.status_code, answer.text)
            assert answer.json()["error"]["code"]


def test_a_contributor_writes(host: RunningHost) -> None:
    headers = {"authorization": f"Bearer {token_of(host, 'writer', 'contributor')}"}
    url = f"{host.url}{host.connection['workspace']}/onlineEndpoints/written"
    body = {"location": "local", "properties": {"authMode": "Key"}}
    assert host.workspace.http.put(url, json=body, headers=headers).status_code == 201


def test_a_clients_tokens_end_with_its_role_and_with_the_client(host: RunningHost) -> None:
    workspace, http = host.workspace, host.workspace.http
    url = f"{host.url}{host.connection['workspace']}/clients/short"
    owner = host.bearer()

    def token(secret: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": id, "client_secret": secret}
        found: str = http.post(host.connection["token_url"], data=form).json()["access_token"]
        return found

    def reads(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        path = f"{host.url}{host.connection['workspace']}/onlineEndpoints"
        return http.get(path, headers=headers).status_code

    made = http.put(url, json={"properties": {"role": "reader"}}, headers=owner).json()
    id, secret = made["properties"]["clientId"], made["properties"]["clientSecret"]
    first = token(secret)
    assert reads(first) == 200
    http.patch(url, json={"properties": {"role": "contributor"}}, headers=owner)
    until(lambda: reads(first) == 401, "the token of its last role is refused")
    second = token(secret)
    assert reads(second) == 200
    [*_, gone] = [http.delete(url, headers=owner).status_code]
    assert gone == 200
    until(lambda: reads(second) == 401, "the token of a removed client is refused")
    path = "providers/Microsoft.Insights/eventtypes/management/values"
    asked = f"resourceUri eq '{host.connection['workspace']}/clients/short'"
    acts = workspace.get(f"{path}?$filter={quote(asked)}")["value"]
    assert [act["httpRequest"]["method"] for act in acts if act["httpRequest"]["method"]] == [
        "DELETE",
        "PATCH",
        "PUT",
    ]
    assert secret not in str(acts)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password"},
        {"grant_type": "client_credentials"},
        {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"},
        {"grant_type": "client_credentials", "client_id": "owner", "client_secret": ""},
    ],
)
def test_no_token_without_the_right_secret(host: RunningHost, form: dict[str, str]) -> None:
    answer = host.workspace.http.post(host.connection["token_url"], data=form)
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"a":1e999}',
        b'{"properties": NaN}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"properties": {"authMode": 7}}',
        b'{"properties": "x"}',
        b'{"location": {"a": []}, "properties": {"authMode": "Key"}}',
        b'{"properties": {"authMode": "Key"}, "tags": {"a": {"b": 1}}}',
        b'{"properties": {"authMode": "Key", "traffic": {"blue": "lots"}}}',
        b'{"properties": {"authMode": "Key", "traffic": {"blue": 1e300}}}',
        b'{"properties": {"authMode": "Key", "description": "\\ud800"}}',
        b'{"properties": {"authMode": "Key", "keys": {"primaryKey": "\\u0000"}}}',
        b'{"properties": {"authMode": "Key"}, "tags": {' + b'"x":"y",' * 200_000 + b'"z":"z"}}',
        b'{"x": "' + b"y" * 2_000_000 + b'"}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_nonsense_is_refused_in_arms_words(host: RunningHost, body: bytes) -> None:
    url = f"{host.url}{host.connection['workspace']}/onlineEndpoints/nonsense"
    for method in ("PUT", "PATCH"):
        answer = host.workspace.http.request(
            method, url, content=body, headers={**host.bearer(), "content-type": "application/json"}
        )
        assert answer.status_code in ((400, 413) if method == "PUT" else (400, 404, 413)), (
            answer.text
        )
        error = answer.json()["error"]
        assert error["code"]
        assert error["message"]


def test_every_fault_of_a_body_is_told_at_once_with_its_target(host: RunningHost) -> None:
    body = {
        "location": 5,
        "properties": {"authMod": "Key", "traffic": {"blue": 50}, "description": []},
    }
    with pytest.raises(CallFailed) as refused:
        host.workspace.call("PUT", "onlineEndpoints/faulty", body)
    text = str(refused.value)
    assert refused.value.status == 400
    assert "Did you mean 'authMode'" in text
    for target in ("location", "properties.authMod", "properties.description"):
        assert f"- {target}:" in text


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 33, "1abc", "a_b", "-abc", "abc-", "a%20b", "..", "%2e%2e", "a%2fb", "é" * 4],
)
def test_a_bad_name_is_refused(host: RunningHost, name: str) -> None:
    url = f"{host.url}{host.connection['workspace']}/onlineEndpoints/{name}"
    path = url.removeprefix(host.url)
    said = (
        f"PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: {host.bearer()['authorization']}\r\n"
        'content-length: 35\r\n\r\n{"properties": {"authMode": "Key"}}'
    )
    answer = host.exchange(said.encode())
    assert re.match(rb"HTTP/1\.1 40[045]", answer), answer


def raw_answers(host: RunningHost, said: bytes) -> bytes:
    try:
        return host.exchange(said)
    except (ConnectionError, ssl.SSLEOFError):
        return b""


@pytest.mark.parametrize(
    "said",
    [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nlong: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        SCORE + b"content-length: -1\r\n\r\n",
        SCORE + b"content-length: 9999999999999999999999\r\n\r\n",
        SCORE + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        SCORE + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nname\x01: v\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda said: repr(said[:40]),
)
def test_what_is_no_http_ends_and_the_next_caller_is_answered(
    host: RunningHost, scoring: httpx.Client, said: bytes
) -> None:
    answer = raw_answers(host, said)
    assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d", answer), answer[:200]
    assert scoring.post("", json={"a": 1}).status_code == 200


@pytest.mark.parametrize("hosts", [b"", b"host: x\r\nHost: x\r\n"], ids=["none", "two"])
def test_a_request_names_its_host_once(host: RunningHost, hosts: bytes) -> None:
    said = b"GET /healthz HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n"
    assert raw_answers(host, said).startswith(b"HTTP/1.1 400 ")


def test_the_control_planes_answers_are_kept_nowhere_and_taken_for_nothing_else(
    host: RunningHost,
) -> None:
    url = f"{host.url}{host.connection['workspace']}/batchEndpoints"
    for headers in (host.bearer(), {}):
        answer = host.workspace.http.get(url, headers=headers)
        assert answer.status_code == (200 if headers else 401)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_answer_is_taken_for_what_it_does_not_say_that_it_is(
    host: RunningHost, scoring: httpx.Client
) -> None:
    score = str(scoring.base_url)
    for method, path, status in (
        ("GET", "/openapi.json", 200),
        ("GET", "/healthz", 200),
        ("GET", "/nowhere", 404),
        ("PATCH", "/openapi.json", 405),
        ("POST", score, 200),
        ("POST", score.replace("open", "none"), 404),
        ("GET", "/oauth2/v2.0/token", 405),
        ("GET", "/blobs/a/b", 401),
    ):
        answer = scoring.request(method, httpx.URL(host.url).join(path), content=b"1")
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ms-client-request-id": "a" * 4000},
        {"x-request-id": "\xff\xfe"},
        {"azureml-model-deployment": "../../x"},
        {"azureml-model-deployment": "x" * 5000},
        {"traceparent": "00-zz-zz-zz"},
        {"content-type": "\x80;;;="},
        {"content-encoding": "gzip"},
        {"expect": "100-continue"},
        {"host": "evil.example.org:1"},
        {"x-forwarded-for": "1.2.3.4," * 100},
        {"accept-encoding": "x" * 3000},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_hostile_headers_harm_nobody(scoring: httpx.Client, headers: dict[str, str]) -> None:
    sent = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    answer = scoring.post("", content=b'{"a": 1}', headers=sent)
    assert answer.status_code in (200, 400, 404, 431)
    assert scoring.post("", json={"a": 1}).json() == {"a": 1}


def test_slow_callers_hold_nobody_up(host: RunningHost, scoring: httpx.Client) -> None:
    slow: list[socket.socket] = [host.connect() for _ in range(60)]
    silent = [
        socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2]))) for _ in range(60)
    ]
    try:
        key = scoring.headers["authorization"].encode()
        for number, connection in enumerate(slow):
            head = SCORE
            if number % 2:
                head += b"authorization: " + key + b"\r\ncontent-length: 100000\r\n\r\nx"
            connection.sendall(head)
        for _ in range(20):
            assert scoring.post("", json={"a": 1}).status_code == 200
        host.workspace.get("onlineEndpoints")
        # All the slow ones are still there: nobody was answered in their stead.
        for connection in [*slow, *silent]:
            connection.setblocking(False)
        for connection in slow:
            with pytest.raises(ssl.SSLWantReadError):
                connection.recv(1)
        for connection in silent:
            with pytest.raises(BlockingIOError):
                connection.recv(1)
    finally:
        for connection in [*slow, *silent]:
            connection.close()


def strangers(host: RunningHost) -> int:
    told = host.workspace.http.get(f"{host.url}/metrics", headers=host.bearer()).text
    (found,) = re.findall(r"^online_endpoint_Strangers (\d+)$", told, re.MULTILINE)
    return int(found)


def test_a_connection_is_no_stranger_once_its_credential_was_good(
    host: RunningHost, scoring: httpx.Client
) -> None:
    host.workspace.get("onlineEndpoints")
    assert scoring.post("", json={"a": 1}).status_code == 200
    # Connections that the tests before have closed are no strangers once the host has seen it.
    until(lambda: strangers(host) == 0, "no strangers")
    client = {name: host.connection[name] for name in ("client_id", "client_secret")}
    token_path = httpx.URL(host.connection["token_url"]).path
    control = f"{host.connection['workspace']}/onlineEndpoints"
    pending = {"pendingUploadType": "TemporaryBlobReference"}
    begun = host.workspace.call("POST", "data/x/versions/1/startPendingUpload", pending).json()
    upload = begun["blobReferenceForConsumption"]["credential"]["sasUri"].replace("?", "/a?")
    score = str(scoring.base_url)
    bearer, key = host.bearer(), {"authorization": scoring.headers["authorization"]}
    form = {"grant_type": "client_credentials", **client}
    good: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", control, {"headers": bearer}),
        ("GET", "/metrics", {"headers": bearer}),
        ("POST", score, {"headers": key, "content": b"1"}),
        ("GET", score.replace("/score", "/swagger.json"), {"headers": key}),
        ("POST", token_path, {"data": form}),
        ("GET", upload, {}),
    ]
    bad: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/healthz", {"headers": bearer}),
        ("GET", "/openapi.json", {"headers": bearer}),
        ("GET", control, {"headers": key}),
        ("GET", "/metrics", {"headers": key}),
        ("POST", score, {"headers": bearer, "content": b"1"}),
        ("POST", token_path, {"data": {**form, "client_secret": "x"}}),
        ("GET", upload.replace("sig=", "sig=x"), {}),
    ]
    for requests, more in ((good, 0), (bad, len(bad))):
        with contextlib.ExitStack() as stack:
            for method, url, about in requests:
                caller = stack.enter_context(host.client())
                caller.request(method, url, **about)
            assert strangers(host) == more


class Caller:
    """A connection that one request after another is said on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        self._writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer.lower())
        assert length
        return int(answer[9:12]), await self._reader.readexactly(int(length[1]))

    async def leave(self) -> None:
        """Without a goodbye, for which a loop would have to wait before it may end: a socket that
        it leaves open is found, and made a failure of, in some later test."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def two_hundred(host: RunningHost) -> AsyncIterator[list[Caller]]:
    """All are connected before the first asks. They come by turns: a handshake has a limit on
    either side, within which one process may not get through two hundred."""
    port = int(host.url.rpartition(":")[2])
    callers: list[Caller] = []
    try:
        for _ in range(200):
            callers.append(
                Caller(
                    *await asyncio.open_connection(
                        "127.0.0.1",
                        port,
                        ssl=host.tls,
                        server_hostname="127.0.0.1",
                        ssl_handshake_timeout=PATIENCE,
                    )
                )
            )
        async with patience():
            yield callers
    finally:
        for caller in callers:
            await caller.leave()


async def test_two_hundred_callers_at_once_are_all_answered(
    host: RunningHost, scoring: httpx.Client
) -> None:
    head = SCORE + f"authorization: {scoring.headers['authorization']}\r\n".encode()

    async def call(caller: Caller, number: int) -> list[int]:
        body = json.dumps({"n": number}).encode()
        statuses = []
        for _ in range(10):
            status, content = await caller.ask(head, body)
            statuses.append(status)
            assert status != 200 or content == body
        return statuses

    async with two_hundred(host) as callers:
        answers = await asyncio.gather(*map(call, callers, range(200)))
    seen = [status for statuses in answers for status in statuses]
    assert len(seen) == 2000
    assert set(seen) <= {200, 429}
    assert seen.count(200) > 200


async def test_two_hundred_control_plane_callers_at_once_are_all_answered(
    host: RunningHost,
) -> None:
    body = json.dumps({"location": "local", "properties": {"authMode": "Key"}}).encode()
    path = f"{host.connection['workspace']}/onlineEndpoints/racing"
    about = f"host: x\r\nauthorization: {host.bearer()['authorization']}\r\n"
    # Fifty each for four names: one wins, the others meet its operation.
    heads = [f"PUT {path}{number % 4} HTTP/1.1\r\n{about}".encode() for number in range(200)]
    async with two_hundred(host) as callers:
        answers = await asyncio.gather(
            *(caller.ask(head, body) for caller, head in zip(callers, heads, strict=True))
        )
    codes = [status for status, _ in answers]
    assert set(codes) <= {200, 201, 409}, set(codes)
    assert codes.count(201) == 4


def test_pages_cover_a_list_once_and_in_whole(host: RunningHost) -> None:
    for number in range(7):
        serving.environment(host, f"paged{number}")
    names: list[str] = []
    url = "environments?api-version=2024-10-01&$top=3"
    for _ in range(20):
        page = host.workspace.call("GET", url).json()
        assert len(page["value"]) <= 3
        names += [each["name"] for each in page["value"]]
        url = page.get("nextLink", "")
        if not url:
            break
        assert url.startswith(host.url)
    assert len(names) == len(set(names))
    assert {f"paged{number}" for number in range(7)} <= set(names)


def test_etags_guard_against_lost_updates(host: RunningHost) -> None:
    path = "onlineEndpoints/guarded"
    serving.endpoint(host, "guarded")
    first = host.workspace.call("GET", path).headers["ETag"]
    host.workspace.mutate("PATCH", path, {"tags": {"a": "1"}})
    body = {"location": "local", "properties": {"authMode": "Key"}}
    with pytest.raises(CallFailed, match="412"):
        host.workspace.call("PUT", path, body, **{"If-Match": first})
    with pytest.raises(CallFailed, match="412"):
        host.workspace.call("PUT", path, body, **{"If-None-Match": "*"})
    second = host.workspace.call("GET", path).headers["ETag"]
    assert host.workspace.call("PUT", path, body, **{"If-Match": second}).status_code == 200


def test_secrets_stand_in_no_log_and_no_answer(host: RunningHost, scoring: httpx.Client) -> None:
    key = serving.key(host, "open")
    shown = json.dumps(host.workspace.get("onlineEndpoints/open"))
    assert key not in shown
    assert key not in host.log() + host.output.read_text()
    assert host.workspace.token() not in host.log()
    assert host.connection["client_secret"] not in host.log()
    documents = (host.data_dir / "documents.db").read_bytes()
    assert key.encode() not in documents
    assert not (host.data_dir.stat().st_mode & 0o077)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "https://169.254.169.254/metadata", "http://example.com/"]
)
def test_no_webhook_leads_inside_unless_a_setting_says_so(host: RunningHost, url: str) -> None:
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    with pytest.raises(CallFailed, match="400"):
        host.workspace.call(
            "PUT", "eventSubscriptions/inside", {"properties": {"destination": destination}}
        )


def test_another_workspaces_token_or_path_is_not_served(host: RunningHost) -> None:
    other = host.connection["workspace"].replace("/workspaces/", "/workspaces/other-")
    answer = host.workspace.http.get(f"{host.url}{other}/onlineEndpoints", headers=host.bearer())
    assert answer.status_code == 404


@pytest.mark.only_processes("an engine is asked for room when containers are made")
def test_more_than_the_machine_has_is_refused_with_the_arithmetic(
    host: RunningHost, scoring: httpx.Client
) -> None:
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    large = "Standard_DS5_v2"
    absurd = serving.deployment_body(host, code, count=50, instanceType=large)
    blue = "onlineEndpoints/open/deployments/blue"
    for method, path, body in (
        ("PUT", "onlineEndpoints/open/deployments/green", absurd),
        ("PUT", blue, absurd),
        ("PATCH", blue, {"sku": {"capacity": 50}, "properties": {"instanceType": large}}),
    ):
        url = f"{host.url}{host.connection['workspace']}/{path}"
        answer = host.workspace.http.request(method, url, json=body, headers=host.bearer())
        assert answer.status_code == 400
        [fault] = answer.json()["error"]["details"]
        assert (fault["code"], fault["target"]) == ("OutOfQuota", "sku.capacity")
        assert fault["message"].startswith("50 x ")
        assert "1/16 of 56.0 GiB" in fault["message"]
        assert "There is room for" in fault["message"]
    assert scoring.post("", json=1).status_code == 200
