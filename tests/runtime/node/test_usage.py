"""What a node's container takes of its machine."""

import os
from pathlib import Path

from runtime.node.usage import usage


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_what_the_kernel_tells_is_passed_on(tmp_path: Path) -> None:
    put(
        tmp_path,
        memory_current="300000000\n",
        memory_max="1000000000\n",
        memory_stat="anon 100\ninactive_file 100000000\n",
        cpu_stat="usage_usec 2500000\nuser_usec 1\n",
        cpu_max="150000 100000\n",
    )
    assert usage(tmp_path) == {
        "memory_bytes": 200_000_000,
        "memory_limit_bytes": 1_000_000_000,
        "cpu_seconds": 2.5,
        "cores": 1.5,
    }


def test_without_bounds_they_are_the_machines(tmp_path: Path) -> None:
    put(tmp_path, memory_current="1000\n", memory_max="max\n", cpu_max="max 100000\n")
    put(tmp_path, cpu_stat="usage_usec 1\n")
    found = usage(tmp_path)
    assert found["memory_limit_bytes"] > 2**27
    assert found["cores"] == os.cpu_count()


def test_what_is_not_told_is_left_out(tmp_path: Path) -> None:
    assert usage(tmp_path) == {}
    assert usage(put(tmp_path, memory_current="1000\n", memory_max="2000\n")) == {
        "memory_bytes": 1000,
        "memory_limit_bytes": 2000,
    }
