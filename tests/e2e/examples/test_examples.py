"""Microsoft's examples of `cli/endpoints`, by `mle` against a running host: which are deployed
and answer their sample request as they stand, and what every other is refused with.

The files are those of `../shared/examples`, with scripts of the tests' own where one is named;
`AZUREML_EXAMPLES` may name a checkout of Microsoft's repository, whose own scripts run then.
"""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from outside.running_host import ROOT, RunningHost
from tests.e2e.examples import scripts
from tests.e2e.examples.catalogue import EXAMPLES, Example
from tests.e2e.examples.playing import Player, told
from tests.e2e.examples.shell_scripts import SCRIPTS, ShellScript, own
from tests.kit.users import official_sdk

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
    missing = _missing(example, endpoints)
    if missing:
        pytest.skip(missing)
    player, endpoint = Player(host, endpoints), f"ex-{EXAMPLES.index(example)}"
    played = player.play(example, endpoint)
    player.clear(example, endpoint)
    said = "\n".join(played.failed)
    if example.refused:
        assert example.refused in said
        return
    assert not said
    assert played.state == "Succeeded"
    if example.request:
        assert played.answer
    if example.answer and not CHECKOUT_S_SCRIPTS:
        assert played.answer == example.answer


def test_what_answers_by_mle_answers_by_the_official_sdk(
    endpoints: Path, host: RunningHost, tmp_path: Path
) -> None:
    if not os.environ.get("SDK_TESTS"):
        pytest.skip("the official SDK (58 MB) is tried where SDK_TESTS=1 asks for it, as CI does")
    player = Player(host, endpoints)
    asked = [each for each in TRIED if not (each.refused or _missing(each, endpoints))]
    _forget_what_is_registered(host)
    plan = tmp_path / "plan.json"
    plan.write_text(
        json.dumps([player.plan(each, f"sdk-{EXAMPLES.index(each)}") for each in asked])
    )
    python = official_sdk.installed(tmp_path)
    done = official_sdk.run(python, "examples", host, [str(endpoints), str(plan)])
    came = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"file"')]
    assert len(came) == len(asked), done.stderr
    failed = [f"{each['file']}: {each['error']}" for each in came if "error" in each]
    assert not failed, "\n".join([*failed, *(each.get("where", "") for each in came)])
    for example, each in zip(asked, came, strict=True):
        assert each["state"] == "Succeeded", example.file
        if example.kind == "batch":
            assert each["answer"] == "Completed", example.file
        elif example.request.endswith(".json"):
            assert (
                not example.answer or CHECKOUT_S_SCRIPTS or told(each["answer"]) == example.answer
            )
        elif example.request:
            assert each["answer"] == "image/jpg ffd8"
    _forget_what_is_registered(host)


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if not each.elsewhere], ids=lambda script: script.name
)
def test_a_shell_script_that_says_az_runs_as_it_stands(
    script: ShellScript, endpoints: Path, host: RunningHost, tmp_path: Path
) -> None:
    """Microsoft's, where a checkout has it; else one of the same commands."""
    original = Path(CHECKOUT or "") / "cli" / f"{script.name}.sh"
    text = original.read_text() if CHECKOUT_S_SCRIPTS else own(script.name)
    if text is None:
        pytest.skip("it is tried with a checkout of Microsoft's examples, which has it")
    done = Player(host, endpoints).shell(text, tmp_path)
    if script.stops:
        assert done.returncode != 0
        assert f"`{script.stops}` is not answered here" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-4000:]
    assert script.says in done.stdout
    for each in host.workspace.get("onlineEndpoints")["value"]:
        host.workspace.mutate("DELETE", f"onlineEndpoints/{each['name']}")


def _forget_what_is_registered(host: RunningHost) -> None:
    """A version stays what it was registered as, and each tool names its files otherwise."""
    for kind in ("models", "environments"):
        for each in host.workspace.get(kind)["value"]:
            host.workspace.call("DELETE", f"{kind}/{each['name']}")


def _missing(example: Example, endpoints: Path) -> str:
    """Why it cannot be tried here."""
    for file in filter(None, (example.file, example.model)):
        if not (endpoints / file).exists():
            return f"{file} is not among the files here"
    if example.large and os.environ.get(ASKED) != "all":
        return f"its packages have hundreds of megabytes: {ASKED}=all tries it, too"
    if example.python is not None and not _has(example.python):
        return f"its packages are for Python {example.python} at most, which is not here"
    return ""


def _has(newest: tuple[int, int]) -> bool:
    return any(shutil.which(f"python3.{minor}", path=PATH) for minor in range(9, newest[1] + 1))
