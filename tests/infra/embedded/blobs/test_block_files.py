from hypothesis import given
from hypothesis import strategies as st

from domain import errors
from infra.embedded.blobs import block_files


@given(st.text(max_size=70))
def test_a_block_id_is_refused_or_becomes_one_file_and_back(block_id: str) -> None:
    try:
        file = block_files.block_file(block_id)
    except errors.Invalid:
        return
    assert "/" not in file
    assert len(file.encode()) <= 255
    assert block_files.block_id(file) == block_id


def test_a_block_that_is_being_written_is_none() -> None:
    assert block_files.block_id(block_files.block_file("0001") + ".partial") is None
