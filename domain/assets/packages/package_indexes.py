"""Package indexes, as pip's options name them in a list of requirements."""

import re
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

from domain.ports import PackageIndexes

MAX_INDEXES = 10
_MAX_URL = 2048
_URL = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!&()*+,;=:%-]*)*"
)
"""Of what every reader of URLs reads alike."""
_OPTIONS = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
}
_UNTIL = frozenset({"--uploaded-prior-to", "--exclude-newer"})
"""pip's name, and uv's."""
_KNOWN = "--index-url, --extra-index-url, --find-links and --uploaded-prior-to"
_CONNECTION = (
    "leave it out, and make a connection of category PythonFeed to that address, which holds it"
)


def redacted(text: str) -> str:
    """`text` without the user and password of any URL in it."""
    return re.sub(r"\S+", _without_user, text)


def _without_user(word: re.Match[str]) -> str:
    """Of a word that may be one: what stands between the first `//` and the last `@` goes."""
    scheme, slashes, rest = word[0].partition("//")
    _, at, host = rest.rpartition("@")
    return f"{scheme}{slashes}***{at}{host}" if at else word[0]


def url_fault(url: str) -> str | None:
    """Why `url` cannot be that of an index, or None; it says nothing that is secret."""
    if len(url) > _MAX_URL:
        return f"a URL has at most {_MAX_URL} characters"
    if "$" in url or "{" in url:
        return f"variables are not filled in; if this one is a password, {_CONNECTION}"
    if "@" in url:
        return f"a URL here carries no user and no password; {_CONNECTION}"
    if "?" in url or "#" in url:
        return f"an index's URL has no query; if it has a secret, {_CONNECTION}"
    # A path that leads up would be matched by where it begins, and asked where it ends.
    segments = url.casefold().replace("%2e", ".").split("/")
    leads_up = not {".", ".."}.isdisjoint(segments)
    if leads_up or not _URL.fullmatch(url) or not _has_a_place(url):
        return "an index is at a URL that begins with https:// and names a host"
    return None


def _has_a_place(url: str) -> bool:
    """Whether its port and an address in brackets are some: who compares URLs reads them."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


@dataclass
class IndexReading:
    """What pip's options have named so far, and every fault met."""

    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    uploaded_before: str | None = None

    def take(self, line: str) -> str | None:
        """Read a line of options. Why it is refused, or None."""
        words = line.split()
        while words:
            option, *words = words
            name, joined, url = option.partition("=")
            if name not in _OPTIONS and name not in _UNTIL:
                return f"of pip's options {_KNOWN} are known here"
            if not joined:
                if not words:
                    return f"{name} needs a {'date' if name in _UNTIL else 'URL'}"
                url, *words = words
            if name in _UNTIL:
                if fault := self._until(url.strip("'\"")):
                    return fault
                continue
            if fault := self._named(_OPTIONS[name], url.strip("'\"").rstrip("/")):
                return fault
        return None

    @property
    def indexes(self) -> PackageIndexes:
        return PackageIndexes(self.index_url, tuple(self.extra_index_urls), tuple(self.find_links))

    def _until(self, text: str) -> str | None:
        try:
            day = date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            return "a date is written as 2024-01-31"
        if self.uploaded_before not in (None, day):
            return "there is one date"
        self.uploaded_before = day
        return None

    def _named(self, option: str, url: str) -> str | None:
        if fault := url_fault(url):
            return fault
        if len(self.indexes.urls) >= MAX_INDEXES:
            return f"an environment names at most {MAX_INDEXES} indexes"
        if option == "--index-url":
            if self.index_url not in (None, url):
                return "there is one --index-url; name others with --extra-index-url"
            self.index_url = url
            return None
        named = self.extra_index_urls if option == "--extra-index-url" else self.find_links
        if url not in named:
            named.append(url)
        return None
