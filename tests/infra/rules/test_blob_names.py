from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import errors
from infra.rules import blob_names

HOSTILE = st.text(alphabet="./\\ab\0\n\x7f\x85\ud800é%", max_size=12) | st.text(max_size=30)


@given(HOSTILE)
def test_a_name_is_refused_or_stays_below_its_folder(name: str) -> None:
    try:
        segments = blob_names.segments(name)
    except errors.Invalid:
        return
    path = Path("/a/box").joinpath(*segments)
    assert path.parts[:3] == ("/", "a", "box")
    assert ".." not in path.parts
    assert path.relative_to("/a/box").as_posix() == name
    assert not set(name) & {"\0", "\n", "\x7f", "\x85", "\ud800"}
    path.as_posix().encode()


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[31m", "a\x7f", "a/\x85", "\ud800"])
def test_control_characters_are_refused(name: str) -> None:
    with pytest.raises(errors.Invalid, match="control"):
        blob_names.segments(name)


def test_a_segment_that_no_file_system_takes_is_refused() -> None:
    blob_names.segments("é" * 127)
    with pytest.raises(errors.Invalid, match="255 bytes"):
        blob_names.segments("a/" + "é" * 128)
