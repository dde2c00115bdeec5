"""A host's control plane: calls in ARM's manner, pages, operations, refusals told in full."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from cli.failures import CommandFailed, Refused, SignInNeeded, TimedOut
from cli.host.contexts import Context
from cli.host.tokens import Tokens
from cli.host.wire import Answer, Wire

API_VERSION = "2024-10-01"

Json = Any


class Operation(NamedTuple):
    """What the host does after it has answered; it goes on whether anybody waits or not."""

    url: str
    resource: str
    """What it is about, as a path below the workspace."""
    warnings: tuple[str, ...] = ()


class Arm:
    """The control plane of a context's workspace. Paths are below the workspace, such as
    `onlineEndpoints/digits`, each of their parts quoted by the caller's `path`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.wire = Wire(context.ca_file, context.url)
        self.tokens = Tokens(context, self.wire)

    def get(self, path: str, **query: str) -> Json:
        """Raises Refused, with 404 for what isn't there."""
        return json.loads(self.call("GET", path, query=query).read())

    def find(self, path: str) -> Json | None:
        """What is there, or None. Raises Refused for other refusals."""
        try:
            return self.get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def pages(self, path: str, **query: str) -> Iterator[Json]:
        """Every element of a list, page after page. Raises Refused."""
        answer = self.get(path, **query)
        while True:
            yield from answer["value"]
            following = answer.get("nextLink")
            if not following:
                return
            answer = json.loads(self.call("GET", following).read())

    def post(self, path: str, body: Json = None) -> Json:
        """An action that answers at once. Raises Refused."""
        answer = self.call("POST", path, body).read()
        return json.loads(answer) if answer else None

    def change(self, method: str, path: str, body: Json = None) -> Operation | None:
        """A PUT, PATCH, DELETE or POST: what the host goes on with, or None once it is done.
        Raises Refused."""
        answer = self.call(method, path, body)
        told = answer.read()
        url = answer.headers.get("azure-asyncoperation") or answer.headers.get("location")
        if not url or answer.status not in (200, 201, 202):
            return None
        return Operation(url, path, _warnings(told))

    def wait(
        self,
        operation: Operation | None,
        *,
        seconds: float | None = None,
        waiting: Callable[[str], None] = lambda status: None,
    ) -> None:
        """Wait for an operation's end; `waiting` is told the status at each look. Raises
        CommandFailed when it failed and TimedOut after so many seconds."""
        if operation is None:
            return
        ends = None if seconds is None else time.monotonic() + seconds
        pause = 0.1
        while True:
            answer = self.call("GET", operation.url, patient=True)
            body = answer.read()
            status = _status(answer, body)
            waiting(status)
            if status == "Succeeded":
                return
            if status in ("Failed", "Canceled"):
                raise _failed(operation, status, json.loads(body or b"{}").get("error") or {})
            if ends is not None and time.monotonic() >= ends:
                raise TimedOut(
                    f"{operation.resource} is {status} after {seconds:g} s; the host goes on.",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        patient: bool = False,
    ) -> Answer:
        """One call, below the workspace or to a whole URL; a token that is refused is asked for
        anew, once. The caller takes the body. Raises Refused and SignInNeeded."""
        url = self._url(path, query or {})
        content = None if body is None else json.dumps(body).encode()
        for anew in (False, True):
            sent = {"Authorization": f"Bearer {self.tokens.token(anew=anew)}", **(headers or {})}
            if content is not None:
                sent["Content-Type"] = "application/json"
            answer = self.wire.send(method, url, sent, content, patient=patient)
            if answer.status != 401:
                break
            if not anew:
                answer.read()
        if answer.status >= 400:
            raise refusal(answer)
        return answer

    def close(self) -> None:
        """Close its connections."""
        self.wire.close()

    def _url(self, path: str, query: dict[str, str]) -> str:
        if path.startswith(("https://", "http://")):
            if urlsplit(path)[:2] != urlsplit(self.context.url)[:2]:
                # The token is for this host alone.
                raise CommandFailed(f"The host names an address that is not its own: {path}")
            return path
        address = f"{self.context.url}{self.context.workspace}"
        if path:
            address = f"{address}/{path}"
        return f"{address}?{urlencode({'api-version': API_VERSION, **query})}"


def path(*parts: str) -> str:
    """Names as a path, each quoted."""
    return "/".join(quote(part, safe="") for part in parts)


def refusal(answer: Answer) -> CommandFailed:
    """An error's answer as what is raised: every fault, each with its field."""
    body = answer.read()
    try:
        error = json.loads(body)["error"]
        message, code = str(error["message"]), str(error["code"])
        details = error.get("details") or []
        faults = [_fault(detail) for detail in details]
        if len(faults) == 1 and details[0].get("message") in message:
            faults = [faults[0]] if details[0].get("target") else []
            message = "" if faults else message
    except (ValueError, KeyError, TypeError):
        message, code = body[:2000].decode(errors="replace").strip(), "Error"
        faults = []
    if answer.status == 401:
        return SignInNeeded(
            message or "The host takes no such token.", hint="`mle login` signs in."
        )
    hint = ""
    if answer.headers.get("retry-after"):
        hint = f"Try again in {answer.headers['retry-after']} s."
    return Refused(answer.status, code, message or f"{answer.status} {code}", faults, hint)


def _fault(detail: dict[str, Any]) -> str:
    target = detail.get("target")
    return f"{target}: {detail['message']}" if target else str(detail["message"])


def _warnings(body: bytes) -> tuple[str, ...]:
    """What the host says of how it carries out a change."""
    try:
        return tuple(map(str, json.loads(body)["properties"]["warnings"]))
    except (ValueError, KeyError, TypeError):
        return ()


def _status(answer: Answer, body: bytes) -> str:
    if answer.status == 202:
        return "InProgress"
    try:
        return str(json.loads(body)["status"])
    except (ValueError, KeyError, TypeError):
        # A Location that has come to the resource itself.
        return "Succeeded"


def _failed(operation: Operation, status: str, error: dict[str, Any]) -> CommandFailed:
    reason = error.get("message") or error.get("code") or "no reason is told"
    return CommandFailed(
        f"{operation.resource}: {status}: {reason}",
        faults=[_fault(detail) for detail in error.get("details") or []],
    )
