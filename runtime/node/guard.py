"""Who may come in at a node's door, and by what the gateway knows whose answer it has."""

from __future__ import annotations

import hashlib
import hmac
import json

from ..server.http1 import Head, Refused

NAMES = "ml-endpoints-node"
"""With which every header between gateway and node begins."""
SECRET = f"{NAMES}-secret"
REASON = f"{NAMES}-reason"
LIVE = "/livez"
READY = "/readyz"
OWN = "/node/"
JSON = "content-type: application/json\r\n"
_MOST_NAMES = 512
_PROOF_OF = b"ml-endpoints node"


class Guard:
    """Knows a digest of the secret: enough to tell who has it, and no use to anybody who reads
    it here. `mark` is the header by which an answer is known as this node's."""

    def __init__(self, digest: bytes, mark: str) -> None:
        self.digest = digest
        self.mark = mark
        self._plain: set[str] = set()
        """Names seen that are for scripts; never more than _MOST_NAMES."""

    @classmethod
    def of(cls, secret: str) -> Guard:
        proof = hmac.new(secret.encode(), _PROOF_OF, hashlib.sha256).hexdigest()
        return cls(hashlib.sha256(secret.encode()).digest(), f"{NAMES}: {proof}\r\n")

    def __call__(self, head: Head) -> None:
        """Raises Refused for one without the secret. Takes every header out of `head` that is
        not for a script; what the process passes on to the agent keeps the secret."""
        headers = head.headers
        shown = headers.pop(SECRET, "")
        if not headers.keys() <= self._plain:
            self._strip(headers)
        if head.target in (LIVE, READY):
            return
        digest = hashlib.sha256(shown.encode("utf-8", "replace")).digest()
        if not hmac.compare_digest(digest, self.digest):
            told = "This node takes requests with its own secret alone."
            raise Refused(401, told, f"{REASON}: unauthorized\r\n")
        head.mark = self.mark
        if head.target.startswith(OWN):
            headers[SECRET] = shown

    def _strip(self, headers: dict[str, str]) -> None:
        for name in list(headers):
            if name.startswith(NAMES):
                del headers[name]
            elif len(self._plain) < _MOST_NAMES:
                self._plain.add(name)


def own_headers(reason: str) -> str:
    """Of an answer of the agent's own."""
    return f"{JSON}{REASON}: {reason}\r\n"


def own_body(message: str) -> bytes:
    return json.dumps({"message": message}).encode()
