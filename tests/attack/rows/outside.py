"""API7, API8 and API9: where the host goes, how it is set up, and what it shows."""

import socket
import ssl
import warnings
from collections.abc import Iterator

from tests.attack.ground import Attempt, Ground, refused
from tests.attack.rows.access import told

INSIDE = (
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[::127.0.0.1]/x",
    "https://[::ffff:0:127.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://[2002:7f00:1::]/x",
    "https://169.254.169.254/metadata/instance",
    "https://[fe80::1%25eth0]/x",
    "https://192.0.0.192/x",
    "https://168.63.129.16/x",
    "https://10.0.0.1/x",
    "https://100.64.0.1/x",
    "https://localhost/x",
    "https://user@127.0.0.1/x",
    "http://example.com/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "https://127.0.0.1:99999/x",
)


def outbound(ground: Ground) -> Iterator[Attempt]:
    """API7: addresses inside, wherever a user may name one."""
    for url in INSIDE:
        body = {"properties": {"destination": {"endpointType": "WebHook", "endpointUrl": url}}}
        answer = ground.ask("PUT", "eventSubscriptions/inside", as_="owner", body=body)
        yield Attempt(f"a webhook at {url}", refused(answer, 400), str(answer.status_code))


def configuration(ground: Ground) -> Iterator[Attempt]:
    """API8: transport, methods, headers, and what an error tells."""
    answer = ground.ask("GET", "onlineEndpoints", as_="reader")
    for name, value in (("x-content-type-options", "nosniff"), ("cache-control", "no-store")):
        held = value in answer.headers.get(name, "")
        yield Attempt(f"{name} on the control plane", held, answer.headers.get(name, ""))
    yield Attempt("who serves", "server" not in answer.headers, answer.headers.get("server", ""))
    for method in ("TRACE", "CONNECT", "PROPFIND", "OPTIONS"):
        answer = ground.http.request(method, ground.url("/healthz"))
        held = answer.status_code >= 400 or method == "OPTIONS"
        held = held and "access-control-allow-origin" not in answer.headers
        yield Attempt(f"the method {method}", held, str(answer.status_code))
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        yield Attempt(f"{version.name}", not _connects(ground, version), "")
    for path in ("/.git/config", "/.env", "/admin", "/metrics", "/connection.json", "//etc/passwd"):
        answer = ground.http.get(ground.url(path))
        held = refused(answer, 401, 403, 404, 405)
        yield Attempt(f"GET {path} by nobody", held, str(answer.status_code))
    answer = ground.ask("PUT", "onlineEndpoints/mine/deployments/blue", as_="owner", body=["x"])
    yield Attempt("what an error tells", refused(answer, 400), answer.text[:80])


def inventory(ground: Ground) -> Iterator[Attempt]:
    """API9: what is not listed is not there; old versions of the API, other spellings."""
    listed = {each.path.lower() for each in told(ground)}
    yield Attempt("the list is there", len(listed) > 60, str(len(listed)))
    for version in ("2000-01-01", "", "latest", "2024-10-01'--"):
        answer = ground.ask("GET", f"onlineEndpoints?api-version={version}", as_="owner")
        held = answer.status_code in (200, 400)
        yield Attempt(f"api-version {version!r}", held, str(answer.status_code))
    workspace = ground.host.connection["workspace"]
    for path in (
        f"{workspace}/onlineEndpoints".replace("local", "other"),
        f"{workspace};x/onlineEndpoints",
        "/runtime/webhooks/eventgrid",
        "/admin/functions",
        "/api/onlineEndpoints",
    ):
        answer = ground.ask("GET", f"{path}?api-version=2024-10-01", as_="owner")
        held = refused(answer, 400, 401, 403, 404)
        yield Attempt(f"GET {path[-60:]}", held, str(answer.status_code))


def _connects(ground: Ground, version: ssl.TLSVersion) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # That nobody should speak it is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    host, _, port = ground.host.url.removeprefix("https://").partition(":")
    try:
        with (
            socket.create_connection((host, int(port))) as raw,
            context.wrap_socket(raw, server_hostname=host),
        ):
            return True
    except (OSError, ssl.SSLError):
        return False
