"""The digits as CSV files, as another system would drop them."""

import csv
from collections.abc import Iterator
from pathlib import Path

from sklearn.datasets import load_digits


def columns() -> list[str]:
    return list(load_digits(as_frame=True).data.columns)


def rows() -> list[list[float]]:
    return [list(row) for row in load_digits().data]


def write_files(folder: Path, count: int) -> Iterator[tuple[Path, int]]:
    """Write every row of the data set into `count` CSV files with a header, each by a
    rename so that no reader sees half of one; yields each path and its number of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    header, data = columns(), rows()
    for index in range(count):
        part = data[index * len(data) // count : (index + 1) * len(data) // count]
        path = folder / f"digits-{index:04d}.csv"
        draft = folder / f".{path.name}.tmp"
        with draft.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(part)
        draft.rename(path)
        yield path, len(part)
