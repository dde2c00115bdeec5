"""What the audit log is told of a request: who asks, from where, for what, and how it is
answered."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from enum import Enum
from urllib.parse import unquote, urlsplit

from azurefunctions.extensions.http.fastapi import Request, Response
from opentelemetry import trace

from domain.audit.auditing import Act, Auditing, Begun, Outcome
from domain.ports import Principal
from handlers.addresses import client_address

_LONGEST = 512
_SHORT = 128
_CORRELATION = "x-ms-correlation-request-id"
_LAST_WORD = re.compile(r"/[A-Za-z]+\Z")


class Kept(Enum):
    """Whether the audit log has what is done by a function."""

    WRITE = "write"
    """Before it is begun, and with its end."""
    SECRET = "secret"
    """It changes nothing, and tells what opens something: before that is told."""
    NOTHING = "nothing"

    @classmethod
    def by_method(cls, method: str) -> "Kept":
        return cls.NOTHING if method in ("GET", "OPTIONS") else cls.WRITE


class Auditor:
    """Keeps the acts of one function."""

    def __init__(
        self, auditing: Auditing, kept: Kept, action: str, resource: Callable[[Request], str]
    ) -> None:
        self._auditing = auditing
        self._kept = kept
        self.action = action
        self._resource = resource

    @property
    def is_of_writes(self) -> bool:
        return self._kept is Kept.WRITE

    async def through(
        self, request: Request, caller: Principal, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The answer, once it is kept as what it is. Raises what the log raises: then nothing has
        been done, or nothing is told."""
        if self._kept is Kept.NOTHING:
            return await answer()
        act = self._act(request, caller)
        if self._kept is Kept.SECRET:
            response = await answer()
            await self._auditing.done(act, _outcome(request, response))
            return response
        begun = await self._auditing.begun(act)
        response = await self._ending(begun, answer)
        await self._auditing.ended(begun, _outcome(request, response))
        return response

    async def _ending(self, begun: Begun, answer: Callable[[], Awaitable[Response]]) -> Response:
        try:
            return await answer()
        except asyncio.CancelledError:
            await self._auditing.ended(begun, Outcome(499, "CallerGone"))
            raise
        except Exception:  # kept, then left to the host, which answers 500
            await self._auditing.ended(begun, Outcome(500, "InternalServerError"))
            raise

    def _act(self, request: Request, caller: Principal) -> Act:
        headers = request.headers
        return Act(
            caller=caller,
            address=client_address(request),
            action=self.action,
            resource=told(self._resource(request)),
            method=request.method,
            path=told(request.url.path),
            correlation_id=told(headers.get(_CORRELATION) or _trace_id(), _SHORT),
            client_request_id=told(headers.get("x-ms-client-request-id", ""), _SHORT),
            user_agent=told(headers.get("user-agent", ""), _SHORT),
        )


def resource_at(method: str, path: str) -> Callable[[Request], str]:
    """The resource that a function at `path`, a template, is about: a POST's last word is what is
    done with it."""
    template = _LAST_WORD.sub("", path) if method == "POST" else path

    def resource(request: Request) -> str:
        return template.format_map(request.path_params)

    return resource


def began(request: Request, what: str) -> None:
    """What the act under way has set going, where the answer names no operation."""
    request.state.began = what


def told(text: str, longest: int = _LONGEST) -> str:
    """As much of a caller's text as is kept."""
    return text[:longest].encode(errors="replace").decode()


def _outcome(request: Request, response: Response) -> Outcome:
    followed = urlsplit(response.headers.get("azure-asyncoperation", "")).path
    operation = unquote(followed.rpartition("/")[2]) or getattr(request.state, "began", "")
    return Outcome(
        response.status_code, response.headers.get("x-ms-error-code", ""), told(operation)
    )


def _trace_id() -> str:
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""
