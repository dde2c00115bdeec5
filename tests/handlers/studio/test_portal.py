"""The studio's files, as the host hands them out."""

from pathlib import Path

import azure.functions as func
import pytest

from handlers.http import Routes
from infra.web.no_clients import NoClients
from infra.web.no_sign_ins import NoSignIns
from studio.pages import Pages
from tests.handlers.conftest import OpenClient
from tests.handlers.studio.opening import opened
from tests.kit.composed import PlainCipher


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<p>page</p>")
    (tmp_path / "studio.js").write_text("go()")
    (tmp_path / "secret.pem").write_text("key")
    return tmp_path


def pages(routes: Routes, folder: Path) -> func.Blueprint:
    return opened(routes, NoClients("Entra's"), NoSignIns(), PlainCipher(), Pages(folder))


async def test_anybody_gets_the_files_under_a_strict_policy(
    built: Path, routes: Routes, open_client: OpenClient
) -> None:
    client = open_client(pages(routes, built), role=None)
    script = await client.get("/studio/studio.js")
    assert (script.status_code, script.text) == (200, "go()")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    policy = script.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert script.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["", "/online/x", "/secret.pem", "/../pyproject.toml", "/%2e%2e/pages.py"]
)
async def test_every_other_address_within_it_is_the_page(
    built: Path, routes: Routes, open_client: OpenClient, path: str
) -> None:
    client = open_client(pages(routes, built), role=None)
    answer = await client.get(f"/studio{path}")
    assert answer.text == "<p>page</p>" or answer.status_code == 404
    assert "key" not in answer.text


async def test_who_has_not_built_it_is_told_how(
    tmp_path: Path, routes: Routes, open_client: OpenClient
) -> None:
    client = open_client(pages(routes, tmp_path), role=None)
    answer = await client.get("/studio")
    assert answer.status_code == 404
    assert "make studio" in answer.json()["error"]["message"]
    (tmp_path / "index.html").write_text("built since")
    assert (await client.get("/studio")).text == "built since"


async def test_its_settings_say_whose_tokens_it_needs(
    built: Path, routes: Routes, open_client: OpenClient
) -> None:
    client = open_client(pages(routes, built), role=None)
    told = (await client.get("/studio/settings")).json()
    assert told == {
        "workspace": routes.scope.id,
        "signIn": "client",
        "signInLink": None,
        "tokenPath": None,
    }
    assert (await client.post("/studio/session", headers={"x-studio": "1"})).status_code == 404
