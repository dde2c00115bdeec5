"""What an MLflow model predicted, as one table for each file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tables import PREDICTION, Table, from_dataframe

_ROW, _FILE = "row", "file_name"


class Predictions(list[Any]):
    """A DataFrame for each file of a mini-batch, in order, and what each file is called."""

    def __init__(self) -> None:
        super().__init__()
        self._files: list[str] = []

    def add(self, file: str, tables: Sequence[Any]) -> None:
        import pandas

        self._files.append(file)
        filled = [table for table in tables if len(table)] or list(tables[:1])
        if not filled:
            self.append(pandas.DataFrame({PREDICTION: []}))
        elif len(filled) == 1:
            self.append(filled[0])
        else:
            self.append(pandas.concat(filled, ignore_index=True))

    def told(self) -> Table:
        """As Azure ML writes them: the row's number in its file, what was predicted, the file."""
        rows: list[list[Any]] = []
        names: list[str] = []
        for file, frame in zip(self._files, self):  # noqa: B905 - `strict` needs Python 3.10
            table = from_dataframe(frame)
            names = names or table.names
            told = zip(*table.columns)  # noqa: B905
            rows += [[number, *cells, file] for number, cells in enumerate(told)]
        columns: list[Sequence[Any]] = [list(column) for column in zip(*rows)]  # noqa: B905
        header = [_ROW, *names, _FILE]
        return Table(header, columns or [()] * len(header), len(rows))


def table_of(result: Any) -> Any:
    """What `predict` gave as a DataFrame: its own columns, or `prediction`, or for two dimensions
    `prediction_0` and so on; of more dimensions a row's cells are lists."""
    import pandas

    if hasattr(result, "toarray"):  # a sparse matrix
        result = result.toarray()
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return result
    if hasattr(result, "to_frame"):  # a Series
        return result.to_frame(PREDICTION if result.name is None else str(result.name))
    if isinstance(result, dict):
        parts = [table_of(value) for value in result.values()]
        named = [
            part.set_axis(_within(str(name), list(part.columns)), axis=1)
            for name, part in zip(result, parts)  # noqa: B905
        ]
        return pandas.concat([part.reset_index(drop=True) for part in named], axis=1)
    if hasattr(result, "ndim") and hasattr(result, "tolist"):
        return _of_array(result)
    if isinstance(result, (list, tuple)):
        if result and all(isinstance(each, dict) for each in result):
            return pandas.DataFrame(list(result))
        return pandas.DataFrame({PREDICTION: pandas.Series(list(result), dtype=object)})
    return pandas.DataFrame({PREDICTION: [result]})


def _of_array(array: Any) -> Any:
    import pandas

    if array.ndim == 0:
        return pandas.DataFrame({PREDICTION: [array.item()]})
    if array.ndim == 1:
        return pandas.DataFrame({PREDICTION: array})
    if array.ndim == 2 and array.shape[1] == 1:
        return pandas.DataFrame({PREDICTION: array[:, 0]})
    if array.ndim == 2:
        names = [f"{PREDICTION}_{number}" for number in range(array.shape[1])]
        return pandas.DataFrame(array, columns=names)
    return pandas.DataFrame({PREDICTION: pandas.Series([each.tolist() for each in array])})


def _within(name: str, columns: list[Any]) -> list[str]:
    """The columns of one part of a result of several, by the part's name."""
    if columns == [PREDICTION]:
        return [name]
    return [f"{name}_{str(column).removeprefix(PREDICTION + '_')}" for column in columns]
