"""Which Python an environment gets where the one that is pinned is not on this machine."""

import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from domain.ports import NO_INDEXES, EnvironmentSpec
from infra.compute.local.files.pythons import Pythons, nearest
from infra.compute.package_sources import PackageSources, PythonChoice
from tests.infra.compute.conftest import opened
from tests.kit.packages.usual import NOWHERE, NoCredentials

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
ABSENT = "3.99"
THERE = [(3, 9, 18), (3, 11, 2), (3, 11, 7), (3, 13, 0)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that a machine may have, uv looks at one or two."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def pythons(*, pins: str = "exact", downloads: bool = False) -> Pythons:
    return Pythons(find_uv_bin(), PythonChoice(pins, downloads))  # type: ignore[arg-type]


def with_nearest() -> PackageSources:
    choice = PythonChoice("nearest", downloads=False)
    return PackageSources(NO_INDEXES, {}, "first-index", NoCredentials(), NOWHERE, (), choice)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((3, 11), (3, 11, 7)),
        ((3, 11, 4), (3, 11, 7)),
        ((3, 12), (3, 13, 0)),
        ((3, 8, 5), (3, 9, 18)),
        ((3, 14), (3, 13, 0)),
    ],
)
def test_the_nearest_is_of_the_same_minor_or_the_next_above_or_below(
    asked: tuple[int, ...], found: tuple[int, ...]
) -> None:
    assert nearest(asked, THERE) == found


async def test_a_python_that_is_not_here_is_refused_and_told_what_is_and_what_helps() -> None:
    reason = await pythons().refusal(ABSENT)
    assert reason is not None
    assert f"Python {ABSENT} is not on this machine; it has" in reason
    assert OURS in reason
    assert "ML_ENDPOINTS_PYTHON_PINS=nearest" in reason
    assert await pythons().refusal(OURS) is None


async def test_one_that_uv_knows_is_not_refused_where_it_may_be_fetched() -> None:
    assert await pythons(downloads=True).refusal("3.14") is None


async def test_who_asked_for_another_is_told_which_one_it_is() -> None:
    lenient = pythons(pins="nearest")
    assert await lenient.refusal(ABSENT) is None
    assert await lenient.refusal("3.8") is None
    caution = await lenient.caution(ABSENT)
    assert caution is not None
    assert f"Python {ABSENT} is not on this machine: the environment has 3." in caution
    assert await lenient.caution(OURS) is None
    assert await pythons().caution(ABSENT) is None
    assert await lenient.refusal("three") is not None


async def test_an_environment_is_built_with_the_nearest_and_its_log_says_so(
    tmp_path: Path,
) -> None:
    spec = EnvironmentSpec(ABSENT, ())
    async with opened(tmp_path, packages=with_nearest()) as house:
        environments = house.compute.premises.environments
        made = await environments.ensure(spec)
        assert (made / "bin" / "python").exists()
        assert f"warning: Python {ABSENT} is not on this machine" in environments.log(spec).tail(20)
