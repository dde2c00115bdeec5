"""What passes through the scoring path's headers, and what they say to the gateway itself.

Names are lower-case throughout.
"""

import os
import re
from collections.abc import Sequence

DEPLOYMENT = "azureml-model-deployment"
REQUEST_ID = "x-request-id"
LEGACY_REQUEST_ID = "x-ms-request-id"
CLIENT_REQUEST_ID = "x-ms-client-request-id"
MODEL_STATUS = "ms-azureml-model-error-statuscode"
MODEL_REASON = "ms-azureml-model-error-reason"
MODEL_TIME = "ms-azureml-model-time"
NON_FINITE = ("x-ms-run-non-finite", "True")
"""What the inference server says where the script gave NaN or infinity, which it writes as null."""

Headers = list[tuple[str, str]]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS_IN = _HOP_BY_HOP | {
    "authorization",
    "content-length",
    DEPLOYMENT,
    "user-agent",
    REQUEST_ID,
    LEGACY_REQUEST_ID,
    CLIENT_REQUEST_ID,
}
_OURS_OUT = _HOP_BY_HOP | {
    DEPLOYMENT,
    REQUEST_ID,
    LEGACY_REQUEST_ID,
    CLIENT_REQUEST_ID,
    MODEL_STATUS,
    MODEL_REASON,
    MODEL_TIME,
}
_HARMLESS_CONNECTION = frozenset({"", "keep-alive", "close"})

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_OF_A_CLIENT_ID = re.compile(r"[^A-Za-z0-9_-]+")
_CLIENT_ID_LENGTH = 40
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MANY_DIGITS = 18


class RequestHeaders:
    """A request's headers, read in one pass.

    `forwarded` goes to the model: everything but the credential and hop-by-hop headers, with
    the request ids as the gateway has settled them. `length` is the body's declared size in
    bytes: 0 where the head announces no body, None where it does not say. A valid
    x-request-id is kept, any other replaced by a GUID; the caller's own id is stripped to
    letters, digits, `-` and `_`, at most 40 of them.
    """

    __slots__ = (
        "authorization",
        "client_request_id",
        "deployment",
        "forwarded",
        "length",
        "request_id",
        "user_agent",
    )

    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        self.authorization: str | None = None
        self.deployment = ""
        self.user_agent = ""
        self.length: int | None = 0
        request_id = client_id = ""
        chunked = False
        connection = ""
        forwarded: Headers = []
        for header in headers:
            name = header[0]
            if name not in _OURS_IN:
                forwarded.append(header)
                continue
            value = header[1]
            if name == "authorization":
                # Two credentials are no credential.
                self.authorization = value if self.authorization is None else ""
            elif name == "content-length":
                digits = value.isdecimal() and len(value) <= _MANY_DIGITS
                self.length = int(value) if digits else None
                forwarded.append(header)
            elif name == DEPLOYMENT:
                self.deployment = value.strip()
                forwarded.append(header)
            elif name == "user-agent":
                self.user_agent = value
                forwarded.append(header)
            elif name == REQUEST_ID:
                request_id = value
            elif name == CLIENT_REQUEST_ID:
                client_id = value
            elif name == "transfer-encoding":
                chunked = True
            elif name == "connection":
                connection = f"{connection},{value}" if connection else value
        if connection and connection.lower() not in _HARMLESS_CONNECTION:
            named = {name.strip().lower() for name in connection.split(",")}
            forwarded = [header for header in forwarded if header[0] not in named]
        if chunked:
            # A length beside chunks is how requests are smuggled: the chunks hold.
            self.length = None
            forwarded = [header for header in forwarded if header[0] != "content-length"]
        self.request_id = request_id if _REQUEST_ID.fullmatch(request_id) else new_request_id()
        forwarded.append((REQUEST_ID, self.request_id))
        forwarded.append((LEGACY_REQUEST_ID, self.request_id))
        self.client_request_id = ""
        if client_id:
            self.client_request_id = clean_client_id(client_id)
            if self.client_request_id:
                forwarded.append((CLIENT_REQUEST_ID, self.client_request_id))
        self.forwarded = forwarded

    @property
    def bearer(self) -> bytes | None:
        """The credential of a well-formed `Authorization: Bearer ...`."""
        scheme, _, credential = (self.authorization or "").partition(" ")
        if not credential or scheme.lower() != "bearer":
            return None
        return credential.strip().encode("latin-1", "replace")


def clean_client_id(value: str) -> str:
    return _NOT_OF_A_CLIENT_ID.sub("", value)[:_CLIENT_ID_LENGTH]


def new_request_id() -> str:
    """A random (version 4) GUID."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def forwarded_back(headers: Sequence[tuple[str, str]]) -> Headers:
    """What of the model's headers goes to the caller: not hop-by-hop ones, not those that
    are the gateway's word, nothing that could break a line."""
    return [
        header
        for header in headers
        if header[0] not in _OURS_OUT
        and (header[1].isprintable() or not _BREAKS.search(header[1]))
        and header[0].isprintable()
    ]


def value_of(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)
