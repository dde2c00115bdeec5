"""An answer on stdout: `-o` and `--query`, as Azure's command line has them."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

from cli.failures import UsageFailed

FORMATS = ("csv", "json", "jsonc", "none", "table", "tsv", "yaml", "yamlc")


def write(answer: Any, *, form: str, query: str | None, columns: Sequence[str] = ()) -> None:
    """Write an answer. `columns` are what a table of it shows, when nothing was asked for. Raises
    UsageFailed for a query that isn't one."""
    if query:
        answer = _queried(answer, query)
        columns = ()
    if answer is None and form != "json":
        return
    match form:
        case "none":
            return
        case "json" | "jsonc":
            text = json.dumps(answer, indent=2, ensure_ascii=not sys.stdout.isatty(), default=str)
        case "yaml" | "yamlc":
            import yaml

            text = yaml.safe_dump(
                json.loads(json.dumps(answer, default=str)), sort_keys=False, allow_unicode=True
            ).rstrip()
        case "csv":
            text = _csv(answer)
        case "tsv":
            text = "\n".join(_tsv(answer))
        case _:
            text = "\n".join(_table(answer, columns))
    if text or form != "tsv":
        sys.stdout.write(f"{text}\n")


def _queried(answer: Any, query: str) -> Any:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, answer)
    except JMESPathError as error:
        raise UsageFailed(f"--query {query!r} is no JMESPath: {error}") from error


def _csv(answer: Any) -> str:
    """With a line of names, where there are any; what a spreadsheet would run is quoted."""
    rows = [each if isinstance(each, dict) else {"": each} for each in _listed(answer)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if any(names):
        writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return text.getvalue().rstrip("\n")


def _listed(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def _csv_cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _tsv(answer: Any) -> list[str]:
    rows = answer if isinstance(answer, list) else [answer]
    lines = []
    for row in rows:
        if isinstance(row, dict):
            cells = [row[name] for name in sorted(row)] if row else []
        elif isinstance(row, list):
            cells = row
        else:
            cells = [row]
        lines.append("\t".join(_tsv_cell(cell) for cell in cells))
    return lines


def _tsv_cell(value: Any) -> str:
    match value:
        case None:
            return "None"
        case bool():
            return str(value).lower()
        case list() | dict():
            # As Azure's: what has an inside is left out, or told by its count.
            return str(len(value)) if isinstance(value, list) else ""
        case _:
            return str(value)


def _table(answer: Any, columns: Sequence[str]) -> list[str]:
    rows = answer if isinstance(answer, list) else [answer]
    if not rows:
        return []
    if not all(isinstance(row, dict) for row in rows):
        listed = [row if isinstance(row, list) else [row] for row in rows]
        width = max(len(row) for row in listed)
        names = [f"Column{number + 1}" for number in range(width)] if width > 1 else ["Result"]
        return _lines(names, [[_cell(cell) for cell in row] for row in listed])
    names = [name for name in columns if any(name in row for row in rows)] or [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if not all(isinstance(row.get(name), dict | list | None) for row in rows)
    ]
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    return _lines([name.replace("_", " ").title().replace(" ", "") for name in names], cells)


def _lines(names: list[str], rows: list[list[str]]) -> list[str]:
    widths = [
        max(len(name), *(len(row[number]) if number < len(row) else 0 for row in rows))
        for number, name in enumerate(names)
    ]
    lines = [names, ["-" * width for width in widths], *rows]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()
        for line in lines
    ]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value)
        case dict():
            return ", ".join(f"{name}={_cell(each)}" for name, each in value.items())
        case list():
            return ", ".join(_cell(each) for each in value)
        case _:
            # Control characters of a stranger's text must not move the cursor.
            return "".join(c if c.isprintable() else "�" for c in str(value))
