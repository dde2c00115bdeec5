"""Prints the first rows of the Parquet file that is its standard input as JSON. A program of its
own: `parquet_reader.py LIBRARY ROWS`."""

import contextlib
import json
import math
import sys

_MEMORY = 4 * 2**30
"""Of address space, of which the library reserves much and uses little."""
_SECONDS = 20
_LONGEST = 4000
_DEEPEST = 8
_WIDEST = 500


def main(library: str, most: int) -> None:
    _bound()
    sys.path.append(library)
    try:
        told = _read(most)
    except Exception as error:  # whatever a library makes of a user's bytes
        why = f"Its rows could not be read: {str(error)[:500]}"
        told = {"columns": None, "rows": [], "why": why}
    json.dump(told, sys.stdout)


def _bound() -> None:
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(most: int) -> dict[str, object]:
    import pyarrow
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    file = pyarrow.parquet.ParquetFile(sys.stdin.buffer)
    columns = list(file.schema_arrow.names)[:_WIDEST]
    rows: list[list[object]] = []
    for batch in file.iter_batches(batch_size=most, use_threads=False):
        named = [batch.column(number).to_pylist() for number in range(len(columns))]
        rows += [[_shown(value, 0) for value in row] for row in zip(*named, strict=True)]
        if len(rows) >= most:
            break
    return {"columns": columns, "rows": rows[:most], "why": None}


def _shown(value: object, depth: int) -> object:
    """As JSON has it; what it has nothing for is text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value[: _LONGEST // 2].hex()
    if depth < _DEEPEST and isinstance(value, dict):
        return {str(name): _shown(each, depth + 1) for name, each in list(value.items())[:_WIDEST]}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_shown(each, depth + 1) for each in value[:_WIDEST]]
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
