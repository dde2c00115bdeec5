"""A YAML file whose every value knows its line and column."""

from pathlib import Path
from typing import Any

from cli.failures import UsageFailed

Place = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

MOST_BYTES = 4 * 1024 * 1024


class Document:
    """One YAML document. `folder` is what its relative paths are relative to; `marks` has line and
    column, from 1, of values, and of a key under its place with `"?"` after it."""

    def __init__(
        self,
        value: dict[str, Any],
        file: Path | None,
        marks: dict[Place, tuple[int, int]] | None = None,
    ) -> None:
        self.value = value
        self.file = file
        self.marks = {} if marks is None else marks

    @property
    def folder(self) -> Path:
        return Path.cwd() if self.file is None else self.file.absolute().parent

    def at(self, place: Place) -> str:
        """`file:line:column` of a value, or of the nearest one around it."""
        name = "the command line" if self.file is None else str(self.file)
        while place and place not in self.marks:
            place = place[:-1]
        if place not in self.marks:
            return name
        line, column = self.marks[place]
        return f"{name}:{line}:{column}"


def read_documents(file: Path) -> list[Document]:
    """Every document of a file. Raises UsageFailed with the place of what is no YAML."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageFailed(f"{file} can't be read: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise UsageFailed(f"{file} has {len(content)} bytes; a YAML file has {MOST_BYTES} at most.")
    import yaml

    loader = yaml.SafeLoader(content)
    documents = []
    try:
        while loader.check_node():
            node = loader.get_node()
            documents.append(_document(loader, node, file))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageFailed(f"{file}{place}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageFailed(f"{file}: not YAML: {error}") from error
    finally:
        loader.dispose()
    return [document for document in documents if document is not None]


def read_document(file: Path) -> Document:
    """A file's only document. Raises UsageFailed when it has none or more."""
    documents = read_documents(file)
    if len(documents) != 1:
        raise UsageFailed(f"{file} has {len(documents)} documents; one is taken here.")
    return documents[0]


def _document(loader: Any, node: Any, file: Path) -> Document | None:
    import yaml

    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~")):
        return None
    marks: dict[Place, tuple[int, int]] = {}
    value = _value(loader, node, (), marks, file, set())
    if not isinstance(value, dict):
        line, column = marks[()]
        raise UsageFailed(f"{file}:{line}:{column}: fields with values belong here.")
    return Document(value, file, marks)


def _value(
    loader: Any,
    node: Any,
    place: Place,
    marks: dict[Place, tuple[int, int]],
    file: Path,
    above: set[int],
) -> Any:
    import yaml

    marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if id(node) in above:
        raise UsageFailed(f"{file}:{marks[place][0]}: an alias holds itself.")
    if len(marks) > 100_000:
        raise UsageFailed(f"{file}: over 100,000 values.")
    inner = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                place_of = f"{file}:{key_node.start_mark.line + 1}:{key_node.start_mark.column + 1}"
                raise UsageFailed(
                    f"{place_of}: a name is text; {{{{…}}}} is to be filled in first."
                )
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, bool | int | float):
                key = key_node.value
            if not isinstance(key, str):
                raise UsageFailed(f"{file}:{key_node.start_mark.line + 1}: a name is text.")
            if key in mapping:
                raise UsageFailed(
                    f"{file}:{key_node.start_mark.line + 1}:{key_node.start_mark.column + 1}:"
                    f" {key!r} stands twice."
                )
            marks[(*place, key, "?")] = (
                key_node.start_mark.line + 1,
                key_node.start_mark.column + 1,
            )
            mapping[key] = _value(loader, value_node, (*place, key), marks, file, inner)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(loader, each, (*place, number), marks, file, inner)
            for number, each in enumerate(node.value)
        ]
    return loader.construct_object(node, deep=True)
