"""The built studio: one page, one script, one style sheet, and how browsers are to hold them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

BUILT: Final = Path(__file__).parent / "dist"
"""Where the build leaves it."""
_PAGE: Final = "index.html"
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
HEADERS: Final[Mapping[str, str]] = {
    # The page runs its own script alone, and asks nobody but its origin.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""With whatever browsers get of the studio."""
MISSING: Final = (
    "The studio is not built here. `make studio` builds it in a checkout; the package mlectl "
    "brings it along."
)


class NotBuilt(Exception):
    """Says how the studio comes to be there."""


class File(NamedTuple):
    type: str
    content: bytes


class Pages:
    """Those that were built into `folder`, read at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: Mapping[str, File] = {}

    def found(self, name: str) -> File:
        """The file of this name; for all else the page, which reads its own address. Raises
        NotBuilt."""
        if not self._files:
            self._files = self._read()
        return self._files.get(name) or self._files[_PAGE]

    def _read(self) -> Mapping[str, File]:
        files = {
            path.name: File(_TYPES[path.suffix], path.read_bytes())
            for path in self._folder.glob("*")
            if path.suffix in _TYPES
        }
        if _PAGE not in files:
            raise NotBuilt(MISSING)
        return files
