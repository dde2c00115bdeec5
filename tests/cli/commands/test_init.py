"""`mle init`: what it writes can be deployed."""

from pathlib import Path

import pytest

from cli.main import main


@pytest.mark.parametrize("name", ["p", "1st", "a_name", "ends-", "n" * 33])
def test_a_name_that_no_endpoint_can_have_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "script", str(tmp_path / name)]) == 2
    assert f"can't be called '{name}'" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_folder_may_be_called_as_no_endpoint_can(tmp_path: Path) -> None:
    assert main(["init", "script", str(tmp_path / "p"), "--name", "plain"]) == 0
    assert "name: plain\n" in (tmp_path / "p" / "endpoint.yaml").read_text()
