"""Where what runs in an app is given tokens of the app's identities: the platform's door, as App
Service has it, at an address of the apps' network."""

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.servers.arm.records import AppRecord

_VERSION: Final = "2019-08-01"


def client_id_of(identity: str) -> str:
    """Of a user-assigned one, by its ARM id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, identity.casefold()))


def header_of(app: AppRecord) -> str:
    """The secret that is an app's own."""
    return uuid.uuid5(uuid.NAMESPACE_OID, app.id.casefold()).hex


def usable(app: AppRecord) -> Mapping[str, str]:
    """Who an app's containers may be, by client id; '' is the app's own identity. One with the
    lifecycle `None` pulls images, and is nobody there."""
    identity = app.body.get("identity") or {}
    settings = app.properties["configuration"].get("identitySettings") or []
    away = {each["identity"].casefold() for each in settings if each["lifecycle"] == "None"}
    given = identity.get("userAssignedIdentities") or {}
    found = {client_id_of(id): id for id in given if id.casefold() not in away}
    if "SystemAssigned" in str(identity.get("type", "")):
        found[""] = f"the own one of {app.name}"
    return found


class IdentityDoor:
    """`apps` are those that there are. From its making until `close`."""

    def __init__(self, address: str, apps: Callable[[], list[AppRecord]]) -> None:
        door = self

        class Asked(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = door.answer(self.path, self.headers.get("X-IDENTITY-HEADER", ""))
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._apps = apps
        self._server = ThreadingHTTPServer((address, 0), Asked)
        self.url = f"http://{address}:{self._server.server_port}/msi/token"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, target: str, header: str) -> tuple[int, Any]:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        app = next((each for each in self._apps() if header_of(each) == header), None)
        if app is None:
            return 401, {"statusCode": 401, "message": "The header is nobody's."}
        who = usable(app).get(asked.get("client_id", ""))
        if who is None or asked.get("api-version") != _VERSION or "resource" not in asked:
            return 400, {"statusCode": 400, "message": "No User Assigned or Delegated identity."}
        token = f"{who} for {asked['resource']}"
        return 200, {"access_token": token, "expires_on": "4000000000", "token_type": "Bearer"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
