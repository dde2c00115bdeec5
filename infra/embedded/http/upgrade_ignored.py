"""A request that asks for another protocol (`Upgrade`, as Java's own client asks for HTTP/2 with
its first request) is answered as if it had not (RFC 9110, 7.8). The parser takes what follows its
head for that other protocol, so its body is read by another parser."""

from collections.abc import Sequence
from typing import Protocol

import httptools

_FRAMING = (b"content-length", b"transfer-encoding")


class Callbacks(Protocol):
    """What a parser calls."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


def parser_of_body(callbacks: Callbacks) -> httptools.HttpRequestParser:
    """Goes on after a head that `callbacks` have been told of, and is to be fed `framing_head` of
    it first: it tells of the body, if there is one, of its end, and of the requests that follow."""
    return httptools.HttpRequestParser(_FromBodyOn(callbacks))


def framing_head(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A head that asks for no other protocol, and whose body ends where that of `headers` does."""
    framing = [name + b": " + value + b"\r\n" for name, value in headers if name in _FRAMING]
    return b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n"


class _FromBodyOn:
    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._head_is_told = False
        self.on_body = callbacks.on_body
        self.on_message_complete = callbacks.on_message_complete

    def on_message_begin(self) -> None:
        if self._head_is_told:
            self._callbacks.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._head_is_told:
            self._callbacks.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_is_told:
            self._callbacks.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._head_is_told:
            self._callbacks.on_headers_complete()
        self._head_is_told = True
