"""One scoring request and what becomes of it: what comes in, what goes out, what is kept."""

from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any, Protocol

from domain.ports import ScoringRequest, ScoringResponse
from domain.scoring.request_record import Ending, Listener, RequestRecord, Streamed
from domain.scoring.route import DeploymentRoute, Route
from domain.scoring.scoring_bodies import CountedBody, KeptBody, Missing, StreamedAnswer
from domain.scoring.scoring_headers import (
    CLIENT_REQUEST_ID,
    DEPLOYMENT,
    LEGACY_REQUEST_ID,
    MODEL_REASON,
    MODEL_STATUS,
    MODEL_TIME,
    NON_FINITE,
    REQUEST_ID,
    Headers,
    RequestHeaders,
)
from domain.scoring.scoring_refusals import BROKEN_OFF, CALLER_GONE, MODEL_ERROR, Refused

SCORE = "/score"
SWAGGER = "/swagger.json"
_ANY = "/path"
"""Before any other path: none of a caller's may be one of the instance's own."""


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
    """What a caller sends. `headers` are lower-case; `path` (below the endpoint's own) and `query`
    are as they stood in the URL."""

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

    @property
    def asked_path(self) -> str:
        """What an instance is asked for. A path that is neither the scoring URI's, nor below it,
        nor the API document's is for servers of the user's own; a scoring script has none."""
        path = self.path
        known = path in (SCORE, SWAGGER) or path.startswith(f"{SCORE}/")
        return path if known else f"{_ANY}{path}"


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
    """One request under way: what is known of it by now.

    `route` and `deployment` are None until it is known where the request goes. `request` is
    what went to the instance, `response` what came from it, as far as one was asked; `reason`
    why there is no good answer, by a code of the gateway's own; `caller` whose credential it
    came with (RequestRecord).
    """

    __slots__ = (
        "_kept_answer",
        "_kept_request",
        "_started",
        "call",
        "caller",
        "deployment",
        "headers",
        "listeners",
        "model_reason",
        "model_seconds",
        "reason",
        "request",
        "request_bytes",
        "response",
        "response_bytes",
        "route",
        "streamed",
        "streamed_in",
    )

    def __init__(self, call: Call) -> None:
        self._started = perf_counter()
        self._kept_answer: KeptBody | None = None
        self._kept_request: KeptBody | None = None
        self.call = call
        self.caller = ""
        self.headers = RequestHeaders(call.headers)
        self.route: Route | None = None
        self.deployment: DeploymentRoute | None = None
        self.listeners: list[Listener] | None = None
        self.model_reason = ""
        self.model_seconds = 0.0
        self.reason = ""
        self.request: ScoringRequest | None = None
        self.request_bytes = 0
        self.response: ScoringResponse | None = None
        self.response_bytes = 0
        self.streamed: Streamed | None = None
        self.streamed_in: CountedBody | None = None

    # -- for taps ---------------------------------------------------------------------------

    @property
    def by_split(self) -> bool:
        """Whether the endpoint's split chose, and not the caller; reads of the API document
        aside, which take nobody's turn."""
        return self.call.path != SWAGGER and not self.headers.deployment

    def keep_request(self, limit: int) -> None:
        """Have the request's body kept for `request_body`, up to `limit` bytes. To be asked
        for when the exchange is offered."""
        if self._kept_request is None:
            self._kept_request = KeptBody(limit, self.headers.length)
        else:
            self._kept_request.raise_limit(limit)

    def keep_answer(self, limit: int) -> None:
        """The same for `answer_body`."""
        if self._kept_answer is None:
            self._kept_answer = KeptBody(limit)
        else:
            self._kept_answer.raise_limit(limit)

    def request_body(self, limit: int) -> bytes | Missing:
        """The request's body once the exchange has ended, if it is no larger than `limit`."""
        kept, request = self._kept_request, self.request
        return _kept_of(kept, None if request is None else request.body, limit)

    def answer_body(self, limit: int) -> bytes | Missing:
        """The same of the answer's body, as the instance gave it: INCOMPLETE where the gateway
        answered in its place."""
        response = None if self.reason else self.response
        return _kept_of(self._kept_answer, None if response is None else response.body, limit)

    # -- on the request's way ---------------------------------------------------------------

    def comes(self, pieces: AsyncIterator[bytes], most: int) -> CountedBody:
        """The request's body, as it comes."""
        if self._kept_request is not None:
            pieces = self._kept_request.watch(pieces)
        self.streamed_in = CountedBody(pieces, most)
        return self.streamed_in

    def answered(self, response: ScoringResponse, asked_at: float) -> None:
        """The head of the model's answer is there; its time counts from when the model had
        the whole request."""
        streamed = self.streamed_in
        if streamed is not None:
            asked_at = streamed.ended_at or perf_counter()
        self.model_seconds = perf_counter() - asked_at
        self.response = response

    def goes(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The answer's body, as it goes to the caller."""
        return body if self._kept_answer is None else self._kept_answer.watch(body)

    def passed(self, body: StreamedAnswer, status: int, ending: Ending, headed: float) -> int:
        """The answer's body, whose head had gone at `headed` with `status`, has ended: the code
        under which it counts."""
        first = body.first_at
        self.response_bytes = body.passed
        self.streamed = Streamed(
            None if first is None else first - self._started, perf_counter() - headed
        )
        if ending is Ending.CALLER_GONE:
            return CALLER_GONE
        if body.broken is None:
            return status
        code, self.reason = BROKEN_OFF[body.broken]
        self.model_reason = MODEL_ERROR
        return code

    def answer_headers(self, headers: Headers) -> Headers:
        """`headers` and what every answer carries."""
        own = self.headers
        if self.deployment is not None:
            headers.append((DEPLOYMENT, self.deployment.name))
        headers.append((REQUEST_ID, own.request_id))
        headers.append((LEGACY_REQUEST_ID, own.request_id))
        if own.client_request_id:
            headers.append((CLIENT_REQUEST_ID, own.client_request_id))
        if self.response is not None:
            headers.append((MODEL_TIME, f"{self.model_seconds * 1000:.3f}"))
        return headers

    def refused(self, refusal: Refused) -> Answer:
        headers = self.answer_headers([])
        if self.response is not None:
            headers.append((MODEL_STATUS, str(self.response.status)))
        if refusal.reason is not None:
            headers.append((MODEL_REASON, refusal.reason))
        if refusal.retry_after is not None:
            headers.append(("retry-after", str(refusal.retry_after)))
        if refusal.status == 401:
            headers.append(("www-authenticate", "Bearer"))
        self.reason = refusal.code
        return Answer(refusal.status, headers, b"", refusal)

    def record(self, code: int, ending: Ending) -> RequestRecord:
        """What is to be told of it now that it has ended."""
        call, headers, taken = self.call, self.headers, self.streamed_in
        response = self.response
        # In the record's order, not by name: names would cost each request half a microsecond.
        return RequestRecord(
            call.method,
            call.path,
            call.endpoint,
            "" if self.deployment is None else self.deployment.name,
            code,
            self.reason,
            ending,
            None if response is None else response.status,
            self.model_reason,
            self.request_bytes if taken is None else taken.passed,
            self.response_bytes,
            headers.user_agent[:70],
            headers.request_id,
            headers.client_request_id,
            perf_counter() - self._started,
            self.model_seconds,
            self.streamed,
            response is not None and NON_FINITE in response.headers,
            self.caller,
        )


def _kept_of(kept: KeptBody | None, body: Any, limit: int) -> bytes | Missing:
    if isinstance(body, bytes):
        return body if len(body) <= limit else Missing.TOO_LARGE
    return Missing.INCOMPLETE if kept is None else kept.up_to(limit)
