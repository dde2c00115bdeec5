"""What belongs to a model or to code."""

import os
from pathlib import Path

import pytest

from cli.assets.content import content_of
from cli.failures import UsageFailed


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names(folder: Path) -> list[str]:
    return [file.name for file in content_of(folder).files]


def test_the_same_files_hash_to_the_same_wherever_they_lie(tmp_path: Path) -> None:
    one = content_of(lay(tmp_path / "one", "a.py", "b/c.py"))
    other = content_of(lay(tmp_path / "other", "b/c.py", "a.py", "__pycache__/a.pyc"))
    assert one.digest == other.digest
    assert content_of(lay(tmp_path / "other", "d.py")).digest != one.digest
    (tmp_path / "one" / "a.py").rename(tmp_path / "one" / "z.py")
    assert content_of(tmp_path / "one").digest != one.digest


def test_content_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    before = content_of(lay(tmp_path, "a.py"))
    (tmp_path / "a.py").write_text("b.py")
    os.utime(tmp_path / "a.py", ns=(1, before.files[0].changed + 1))
    assert content_of(tmp_path).digest != before.digest


def test_what_git_ignores_stays_here(tmp_path: Path) -> None:
    lay(tmp_path, "a.py", "data/big.bin", "logs/x.log", "keep.log", ".git/config")
    (tmp_path / ".gitignore").write_text("data/\n*.log\n!keep.log\n")
    assert names(tmp_path) == ["a.py", "keep.log"]


def test_an_amlignore_file_decides_alone(tmp_path: Path) -> None:
    lay(tmp_path, "a.py", "b.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    (tmp_path / ".amlignore").write_text("b.py\n")
    assert names(tmp_path) == ["a.py"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFailed, match="no files"):
        content_of(tmp_path)


def test_a_link_to_a_folder_that_holds_it_is_not_followed(tmp_path: Path) -> None:
    lay(tmp_path, "a.py")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == ["a.py"]
