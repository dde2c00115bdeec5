"""Files at public web addresses, which users name and nobody vouches for."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Protocol

from domain.errors import Invalid, Unavailable


class WebFileRefused(Invalid):
    """The file is not to be had from there, now or later; the message says why."""

    code = "InputUnreadable"


class WebFileUnavailable(Unavailable):
    """The other side failed in a way that may pass."""

    code = "InputUnavailable"


class WebFiles(Protocol):
    """Reads what users' URLs name. Nothing is read, or even connected to, at an address that
    is not public (this machine, its networks, the cloud's metadata) unless a setting allows it;
    every address that a name or a redirect leads to is checked, and the checked one is used.
    """

    @abstractmethod
    def fault(self, url: str) -> str | None:
        """Why `url` will be refused, as far as its text tells; None when it must be tried."""

    @abstractmethod
    def read(self, url: str) -> AsyncIterator[bytes]:
        """The whole content in pieces of at most 4 MiB. Bounded in size and time. Raises
        WebFileRefused or WebFileUnavailable; messages carry no query of a URL."""
