"""Signed URLs as they were last renewed.

What a unit is lent is good for an hour, and a unit may take days: whoever looks after it sends the
URLs anew whenever it asks how the unit is. One that has run out is waited for, as that may be late.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

WAIT = 150.0
"""Seconds; less than a worker may stand still between mini-batches."""
REFUSED = (401, 403)
"""How a store answers to a URL that has run out."""

_renewed = threading.Condition()
_urls: dict[str, str] = {}


def renew(urls: Iterable[str]) -> None:
    """From now on these are what their blobs are read and written by. Any thread may."""
    fresh = {_blob(url): url for url in urls}
    with _renewed:
        _urls.clear()
        _urls.update(fresh)
        _renewed.notify_all()


def current(url: str) -> str:
    """The URL for what `url` was for."""
    return _urls.get(_blob(url), url)


def after(url: str, wait: float = WAIT) -> str | None:
    """The one that came since `url` was refused. If it has run out and none has, waits for one;
    None where there is no other."""
    blob = _blob(url)
    ends = time.monotonic() + wait
    with _renewed:
        while True:
            fresh = _urls.get(blob, url)
            if fresh != url:
                return fresh
            left = ends - time.monotonic()
            if left <= 0 or not _has_run_out(url):
                return None
            _renewed.wait(left)


def _blob(url: str) -> str:
    return url.partition("?")[0]


def _has_run_out(url: str) -> bool:
    """By the time in it, which Azure's signed URLs and ours have as `se`."""
    expires = parse_qs(urlsplit(url).query).get("se", [""])[0]
    try:
        until = calendar.timegm(time.strptime(expires, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False
    return until <= time.time()
