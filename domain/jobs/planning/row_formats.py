"""The kinds of files whose rows can be told apart, by the extension of their names."""

from enum import StrEnum

from domain.errors import Invalid


class RowsUnreadable(Invalid):
    """A file is not what its extension says, or its rows cannot be told apart."""

    code = "RowsUnreadable"


class RowFormat(StrEnum):
    """CSV: records as RFC 4180 has them, below a header, by whatever delimiter. LINES: a record a
    line. PARQUET: rows in row groups."""

    CSV = "csv"
    LINES = "lines"
    PARQUET = "parquet"


_EXTENSIONS = {
    "csv": RowFormat.CSV,
    "tsv": RowFormat.CSV,
    "jsonl": RowFormat.LINES,
    "ndjson": RowFormat.LINES,
    "parquet": RowFormat.PARQUET,
    "pqt": RowFormat.PARQUET,
}


def format_of(name: str) -> RowFormat:
    """Raises RowsUnreadable for a name whose extension tells of no rows."""
    base = name.rpartition("/")[2]
    found = _EXTENSIONS.get(base.rpartition(".")[2].casefold()) if "." in base else None
    if found is None:
        known = ", ".join(f".{extension}" for extension in _EXTENSIONS)
        raise RowsUnreadable(
            f"miniBatchBy Rows cuts files of the kinds {known}; '{name[-200:]}' is none of them. "
            "Leave it out (inputs take include and exclude), or use miniBatchBy Files or Bytes."
        )
    return found
