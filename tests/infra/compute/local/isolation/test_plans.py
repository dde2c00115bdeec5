"""What is asked of the sandbox."""

from pathlib import Path

import pytest

from infra.compute.local.isolation.plans import for_python


@pytest.mark.parametrize("above", [".", ".local"])
def test_an_interpreter_that_is_reached_by_a_persons_home_does_not_open_it(
    tmp_path: Path, above: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, installed = tmp_path / "home", tmp_path / "pythons" / "3.11"
    monkeypatch.setenv("HOME", str(home))
    real = installed / "bin" / "python3.11"
    link, own = home / above / "bin" / "python3", tmp_path / "venv" / "bin" / "python"
    for python in (real, link, own):
        python.parent.mkdir(parents=True)
    real.touch()
    link.symlink_to(real)
    own.symlink_to(link)
    places = for_python(own)
    assert {tmp_path / "venv", installed, link.parent} < set(places)
    assert not any(home.is_relative_to(place) for place in places)
    assert home / ".local" not in places
