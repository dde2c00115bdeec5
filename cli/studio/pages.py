"""The built studio: one page, one script, one style sheet."""

from pathlib import Path
from typing import NamedTuple

from cli.failures import CommandFailed

_FOLDER = Path(__file__).parents[2] / "studio" / "dist"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy: the page runs its own script alone, and asks nobody but its origin."""


class File(NamedTuple):
    type: str
    content: bytes


def read_pages() -> dict[str, File]:
    """By name. Raises CommandFailed where the studio is not built."""
    found = {
        path.name: File(_TYPES[path.suffix], path.read_bytes())
        for path in _FOLDER.glob("*")
        if path.suffix in _TYPES
    }
    if "index.html" not in found:
        raise CommandFailed(
            "The studio is not built here.",
            hint="`make studio` builds it in a checkout; the package mlectl brings it along.",
        )
    return found
