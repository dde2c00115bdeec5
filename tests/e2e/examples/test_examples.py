"""Microsoft's examples of `cli/endpoints`, by `mle` against a running host: which are deployed
and answer their sample request as they stand, and what every other is refused with.

The files are those of `../shared/examples`, with scripts of the tests' own where one is named;
`AZUREML_EXAMPLES` may name a checkout of Microsoft's repository, whose own scripts run then.
"""

import base64
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from outside.running_host import ROOT, RunningHost
from tests.e2e.examples import scripts
from tests.e2e.examples.catalogue import EXAMPLES, Example
from tests.e2e.examples.playing import Player

ASKED: Final = "EXAMPLES_TESTS"
CHECKOUT: Final = os.environ.get("AZUREML_EXAMPLES")
CHECKOUT_S_SCRIPTS: Final = (
    CHECKOUT is not None and (Path(CHECKOUT) / "cli/deploy-rest.sh").exists()
)
PLACE: Final = (
    (Path(CHECKOUT) if CHECKOUT else ROOT.parent / "shared" / "examples") / "cli" / "endpoints"
)
TRIED: Final = [each for each in EXAMPLES if not each.elsewhere]
PICTURE: Final = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////"
    "////////////////////////////2wBDAf//////////////////////////////////////////////////////////"
    "////////////////////////////wAARCAAEAAQDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAH/xAAUEAEA"
    "AAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAQL/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIR"
    "AxEAPwCABb//2Q=="
)

OWN_PYTHONS: Final = map(str, sorted(Path.home().glob(".pyenv/versions/3.*/bin"), reverse=True))
PATH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), *OWN_PYTHONS])
HOST_ENVIRONMENT: Final = {
    "ML_ENDPOINTS_PYTHON_PINS": "nearest",
    "ML_ENDPOINTS_PYTHON_DOWNLOADS": "false",
    "PATH": PATH,
}
"""Pins are of 3.8 to 3.12, of which a machine has some."""

pytestmark = pytest.mark.only_processes("which images there are is a matter of the engine's")


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PLACE.is_dir():
        pytest.skip(f"Microsoft's examples are not at {PLACE}")
    if not os.environ.get(ASKED):
        pytest.skip(f"environments of the examples are built where {ASKED}=1 asks for it, as in CI")
    copy = tmp_path_factory.mktemp("examples") / "endpoints"
    shutil.copytree(PLACE, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    scripts.write(copy)
    picture = copy / "online/managed/binary-payloads/input.jpg"
    if not picture.exists():
        picture.write_bytes(PICTURE)
    return copy


@pytest.mark.parametrize("example", TRIED, ids=lambda example: example.file)
def test_an_example_answers_as_it_stands_or_is_told_why_not(
    example: Example, endpoints: Path, host: RunningHost
) -> None:
    for file in filter(None, (example.file, example.model)):
        if not (endpoints / file).exists():
            pytest.skip(f"{file} is not among the files here")
    if example.large and os.environ.get(ASKED) != "all":
        pytest.skip(f"its packages have hundreds of megabytes: {ASKED}=all tries it, too")
    if example.python is not None and not _has(example.python):
        pytest.skip(f"its packages are for Python {example.python} at most, which is not here")
    player, endpoint = Player(host, endpoints), f"ex-{EXAMPLES.index(example)}"
    played = player.play(example, endpoint)
    player.clear(example, endpoint)
    told = "\n".join(played.failed)
    if example.refused:
        assert example.refused in told
        return
    assert not told
    assert played.state == "Succeeded"
    if example.request:
        assert played.answer
    if example.answer and not CHECKOUT_S_SCRIPTS:
        assert played.answer == example.answer


def _has(newest: tuple[int, int]) -> bool:
    return any(shutil.which(f"python3.{minor}", path=PATH) for minor in range(9, newest[1] + 1))
