from pathlib import Path

from infra.rules.folder_sizes import folder_size


def test_a_folder_takes_what_is_in_it_and_where_links_lead_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    before = folder_size(folder).size
    (folder / "deep" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    (folder / "link").symlink_to(tmp_path / "large")
    found = folder_size(folder)
    assert 100_000 <= found.size - before < 200_000
    assert found.is_complete
    assert folder_size(tmp_path / "large").size >= 1_000_000
    assert folder_size(tmp_path / "nothing").size == 0


def test_it_is_looked_at_no_further_than_said(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).write_bytes(b"x")
    assert folder_size(tmp_path, most=10).is_complete
    assert not folder_size(tmp_path, most=9).is_complete
