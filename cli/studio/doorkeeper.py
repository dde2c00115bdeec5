"""Who may ask a studio on loopback.

Every program of this machine reaches its port, every page of a browser may send it requests, and
every other port of 127.0.0.1 gets its cookies. So a one-time code, which only the command's own
terminal and browser have seen, opens a session; the session is a cookie that scripts cannot read,
and a second secret that only a header carries; and whoever asks must name this address and come
from this origin.
"""

import secrets
import threading
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple, Protocol

_CODE_TIME = 60.0
COOKIE = "studio"
SECOND_SECRET = "X-Studio-Secret"


class Headers(Protocol):
    """A request's, by name in any case."""

    def get(self, name: str, failobj: str, /) -> str: ...


class Opened(NamedTuple):
    """A session that has just begun."""

    cookie: str
    secret: str


class Doorkeeper:
    """Of the studio on `port`; `now` is a clock's seconds."""

    def __init__(self, port: int, now: Callable[[], float] = time.monotonic) -> None:
        self.origins = (f"http://127.0.0.1:{port}", f"http://localhost:{port}")
        self._hosts = frozenset(origin.removeprefix("http://") for origin in self.origins)
        self._now = now
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, str] = {}

    def new_code(self) -> str:
        """Good once, for a minute."""
        with self._lock:
            code = secrets.token_urlsafe(24)
            self._codes[code] = self._now() + _CODE_TIME
            return code

    def open(self, code: str) -> Opened | None:
        """A session for a code that is good; the code is so no more."""
        with self._lock:
            ends = self._codes.pop(code, 0.0)
            if self._now() >= ends:
                return None
            opened = Opened(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
            self._sessions[opened.cookie] = opened.secret
            return opened

    def is_own_page(self, headers: Headers) -> bool:
        """Whether a request names this address, and comes from no other origin's page."""
        if headers.get("Host", "") not in self._hosts:
            return False
        if headers.get("Origin", self.origins[0]) not in self.origins:
            return False
        return headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")

    def knows(self, headers: Headers) -> bool:
        """Whether a request is of a session: by its cookie and by the second secret."""
        try:
            cookies = SimpleCookie(headers.get("Cookie", ""))
        except CookieError:
            return False
        cookie = cookies[COOKIE].value if COOKIE in cookies else ""
        with self._lock:
            expected = self._sessions.get(cookie)
        shown = headers.get(SECOND_SECRET, "")
        return expected is not None and secrets.compare_digest(expected.encode(), shown.encode())
