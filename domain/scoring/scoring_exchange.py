"""One scoring request and what becomes of it: what comes in, what goes out, what is kept."""

from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Protocol

from domain.scoring.request_record import OnFinished, RequestRecord
from domain.scoring.scoring_bodies import CountedBody, StreamedAnswer
from domain.scoring.scoring_headers import (
    CLIENT_REQUEST_ID,
    DEPLOYMENT,
    LEGACY_REQUEST_ID,
    MODEL_REASON,
    MODEL_STATUS,
    MODEL_TIME,
    REQUEST_ID,
    Headers,
    RequestHeaders,
)
from domain.scoring.scoring_refusals import Refused


class CallerGone(Exception):
    """The caller went away before its request's body had ended."""


class CallerStalled(Exception):
    """The caller stopped in the middle of its request's body for too long."""


class RequestBody(Protocol):
    """The body on its way in; one of the two is called, at most once. Both raise CallerGone
    and CallerStalled."""

    async def whole(self) -> bytes:
        """All of it. Asked only where the head declares a small one."""

    def pieces(self) -> AsyncIterator[bytes]:
        """As it comes; nothing is read before it is asked for."""


class Call:
    """What a caller sends. `headers` are lower-case; `query` is as it stood in the URL."""

    __slots__ = ("body", "endpoint", "headers", "method", "path", "query")

    def __init__(
        self,
        endpoint: str,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        body: RequestBody,
    ) -> None:
        self.endpoint = endpoint
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body


class Answer:
    """What the caller gets. With a `refusal`, `body` is empty: it is to be rendered."""

    __slots__ = ("body", "headers", "refusal", "status")

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: bytes | StreamedAnswer,
        refusal: Refused | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.refusal = refusal


class Exchange:
    """One request under way: what its record will say. Whoever is in `ended` is told, once,
    with the code; it must return at once and not raise."""

    __slots__ = (
        "_call",
        "_on_finished",
        "_started",
        "deployment",
        "ended",
        "headers",
        "model_reason",
        "model_seconds",
        "model_status",
        "refusal",
        "request_bytes",
        "response_bytes",
        "response_seconds",
        "streamed_in",
    )

    def __init__(self, call: Call, on_finished: OnFinished | None) -> None:
        self._call = call
        self._on_finished = on_finished
        self._started = perf_counter()
        self.headers = RequestHeaders(call.headers)
        self.deployment = ""
        self.ended: list[Callable[[Exchange, int], None]] = []
        self.model_reason = ""
        self.model_seconds = 0.0
        self.model_status: int | None = None
        self.refusal = ""
        self.request_bytes = 0
        self.response_bytes = 0
        self.response_seconds = 0.0
        self.streamed_in: CountedBody | None = None

    @property
    def endpoint(self) -> str:
        return self._call.endpoint

    @property
    def seconds(self) -> float:
        """What the model took, as far as one was asked; else how long it is under way."""
        return self.model_seconds or perf_counter() - self._started

    def answered(self, status: int, asked_at: float) -> None:
        """The head of the model's answer is there; its time counts from when the model had
        the whole request."""
        streamed = self.streamed_in
        if streamed is not None:
            asked_at = streamed.ended_at or perf_counter()
        self.model_seconds = perf_counter() - asked_at
        self.model_status = status

    def answer_headers(self, headers: Headers) -> Headers:
        """`headers` and what every answer carries."""
        own = self.headers
        if self.deployment:
            headers.append((DEPLOYMENT, self.deployment))
        headers.append((REQUEST_ID, own.request_id))
        headers.append((LEGACY_REQUEST_ID, own.request_id))
        if own.client_request_id:
            headers.append((CLIENT_REQUEST_ID, own.client_request_id))
        if self.model_status is not None:
            headers.append((MODEL_TIME, f"{self.model_seconds * 1000:.3f}"))
        return headers

    def refused(self, refusal: Refused) -> Answer:
        headers = self.answer_headers([])
        if self.model_status is not None:
            headers.append((MODEL_STATUS, str(self.model_status)))
        if refusal.reason is not None:
            headers.append((MODEL_REASON, refusal.reason))
        if refusal.retry_after is not None:
            headers.append(("retry-after", str(refusal.retry_after)))
        if refusal.status == 401:
            headers.append(("www-authenticate", "Bearer"))
        self.refusal = refusal.code
        self.finish(refusal.status)
        return Answer(refusal.status, headers, b"", refusal)

    def finish(self, code: int) -> None:
        for told in self.ended:
            told(self, code)
        if self._on_finished is None:
            return
        call, headers = self._call, self.headers
        total = perf_counter() - self._started
        streamed = self.streamed_in
        self._on_finished(
            RequestRecord(
                method=call.method,
                path=call.path,
                endpoint=call.endpoint,
                deployment=self.deployment,
                code=code,
                reason=self.refusal,
                model_status=self.model_status,
                model_reason=self.model_reason,
                request_bytes=streamed.passed if streamed else self.request_bytes,
                response_bytes=self.response_bytes,
                user_agent=headers.user_agent[:70],
                request_id=headers.request_id,
                client_request_id=headers.client_request_id,
                total_seconds=total,
                model_seconds=self.model_seconds,
                response_seconds=self.response_seconds,
            )
        )
