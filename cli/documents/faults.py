"""What is wrong in a file: every fault, each with its place and the rule it breaks."""

from collections.abc import Iterable

from cli.documents.yaml_file import Document, Place
from cli.failures import UsageFailed


class Faults:
    """The faults of one document, in the order they were found."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[str] = []

    def add(self, place: Place, message: str) -> None:
        """One fault at a place."""
        where = self.document.at(place)
        field_path = _path(place)
        self.found.append(
            f"{where}: {field_path}: {message}" if field_path else f"{where}: {message}"
        )

    def unknown(self, place: Place, name: str, known: Iterable[str]) -> None:
        """A field that isn't one, with the nearest that is."""
        import difflib

        names = sorted(known)
        near = difflib.get_close_matches(name, names, 1, 0.6)
        told = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(names)}."
        where = self.document.at((*place, name, "?"))
        self.found.append(f"{where}: {_path((*place, name))}: no such field{told}")

    def raise_any(self, what: str) -> None:
        """Raises UsageFailed with all of them, if there are any."""
        if self.found:
            raise UsageFailed(f"{what} can't be used as it stands:", faults=self.found)


def _path(place: Place) -> str:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
