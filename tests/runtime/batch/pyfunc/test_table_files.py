"""Tables in files, in the types that a signature has."""

import json
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from runtime.batch.pyfunc import table_files
from runtime.batch.pyfunc.unscorable import Unscorable
from runtime.online.signature import Signature, of

TYPES = {
    "id": "string",
    "small": "integer",
    "big": "long",
    "single": "float",
    "double": "double",
    "yes": "boolean",
    "at": "datetime",
}
ROWS: list[dict[str, Any]] = [
    {
        "id": "007",
        "small": 1,
        "big": 2**40,
        "single": 0.1,
        "double": 0.1,
        "yes": True,
        "at": "2026-01-02T03:04:05",
    },
    {
        "id": "8",
        "small": -1,
        "big": 0,
        "single": 2,
        "double": 3,
        "yes": False,
        "at": "2026-01-02T03:04:06",
    },
]


def signature(**types: str) -> Signature:
    return of({"inputs": [{"name": name, "type": kind} for name, kind in types.items()]})


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    """A file of the kind that its name says."""
    match path.suffix:
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
        case ".parquet":
            pandas.DataFrame(rows).to_parquet(path)
        case suffix:
            pandas.DataFrame(rows).to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return str(path)


KINDS = ("table.csv", "table.tsv", "table.parquet", "table.jsonl")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_the_same_table_in_the_signature_s_types(
    tmp_path: Path, name: str
) -> None:
    [table] = table_files.read(written(tmp_path / name, ROWS), signature(**TYPES))
    assert list(table.columns) == list(TYPES)
    assert table["id"].tolist() == ["007", "8"]
    assert table["at"].tolist() == [pandas.Timestamp(row["at"]) for row in ROWS]
    for column, dtype in (
        ("small", "int32"),
        ("big", "int64"),
        ("single", "float32"),
        ("double", "float64"),
        ("yes", "bool"),
    ):
        assert table[column].dtype == dtype
        wanted = numpy.array([row[column] for row in ROWS], dtype=dtype)
        assert table[column].tolist() == wanted.tolist()


@pytest.mark.parametrize("name", KINDS)
def test_a_large_table_comes_in_pieces(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "ROWS", 3)
    path = written(tmp_path / name, [{"a": number} for number in range(8)])
    tables = list(table_files.read(path, None))
    assert [len(table) for table in tables] == [3, 3, 2]
    assert [value for table in tables for value in table["a"]] == list(range(8))


@pytest.mark.parametrize(
    ("name", "content", "types", "told"),
    [
        ("a.csv", b"a\nx\n", {"a": "long"}, "cannot be read as .csv"),
        ("a.csv", b"", {"a": "long"}, "cannot be read as .csv"),
        ("a.csv", b"a\n\xff\xfe\n", {}, "cannot be read as .csv"),
        ("a.parquet", b"PAR0", {}, "cannot be read as .parquet"),
        ("a.jsonl", b'{"a": 1}\n{', {}, "line 2 is no JSON"),
        ("a.jsonl", b"[1]\n", {}, "line 1 is no JSON object"),
        ("a.jsonl", b'{"a": 1.5}\n', {"a": "long"}, "would become others"),
        ("a.jsonl", b'{"a": null}\n', {"a": "long"}, "it has blanks"),
        ("a.jsonl", b'{"a": 1}\n', {"a": "boolean"}, "it has numbers"),
        ("a.jsonl", b'{"a": "x"}\n', {"a": "double"}, "'a' is not double"),
        ("a.jsonl", b'{"a": "no date"}\n', {"a": "datetime"}, "'a' is not datetime"),
        ("a.jsonl", b'{"a": "?"}\n', {"a": "binary"}, "'a' is not binary"),
    ],
)
def test_what_does_not_fit_is_told_with_the_file_and_the_reason(
    tmp_path: Path, name: str, content: bytes, types: dict[str, str], told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unscorable) as refused:
        list(table_files.read(str(tmp_path / name), signature(**types) if types else None))
    assert str(refused.value).startswith(name)
    assert told in str(refused.value)


def test_an_optional_column_may_have_blanks_and_bytes_come_by_base64(tmp_path: Path) -> None:
    inputs = [
        {"name": "a", "type": "long", "required": False},
        {"name": "b", "type": "binary", "required": True},
    ]
    path = written(tmp_path / "a.jsonl", [{"a": None, "b": "aGk="}, {"a": 2, "b": "eW8="}])
    [table] = table_files.read(path, of({"inputs": inputs}))
    assert table["b"].tolist() == [b"hi", b"yo"]
    assert pandas.isna(table["a"][0])
    assert table["a"][1] == 2


def test_a_table_is_the_only_tensor_of_a_model(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [{"a": 1, "b": 2, "c": 3, "d": 4}])
    [table] = table_files.read(path, None)

    def shaped(*shape: int) -> Any:
        spec = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, *shape]}}
        return table_files.as_tensor(table, of({"inputs": [spec]}).inputs[0])

    assert shaped(4).tolist() == [[1.0, 2.0, 3.0, 4.0]]
    assert (shaped(2, 2).tolist(), shaped(2, 2).dtype) == ([[[1.0, 2.0], [3.0, 4.0]]], "float32")
    with pytest.raises(ValueError, match="reshape"):
        shaped(3, 2)
