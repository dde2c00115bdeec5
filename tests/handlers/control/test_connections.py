from typing import Any, cast

from domain.assets.packages.index_credentials import ConnectionsCredentials
from domain.ports import Credentials, Page, ResourceStore
from infra.embedded.access.cipher import FernetCipher
from tests.handlers.conftest import ControlPlane

TARGET = "https://packages.example/team"
BODY: dict[str, Any] = {
    "properties": {
        "category": "PythonFeed",
        "target": f"{TARGET}/",
        "authType": "UsernamePassword",
        "credentials": {"username": "robot", "password": "s3cr3t"},
    }
}


def body(**changes: Any) -> dict[str, Any]:
    return {"properties": {**BODY["properties"], **changes}}


class ShortPages:
    """A store whose documents are so large that each is a page."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def query(self, kind: str, **asked: Any) -> Page:
        return await self._store.query(kind, **{**asked, "page_size": 1})


def opened(plane: ControlPlane) -> ConnectionsCredentials:
    store = cast(ResourceStore, ShortPages(plane.stage.store))
    return ConnectionsCredentials(store, FernetCipher(plane.stage.folder / "cipher.key"))


async def test_credentials_go_in_and_do_not_come_out(plane: ControlPlane) -> None:
    client = plane.client()
    made = await client.put("connections/feed", BODY)
    assert made.status_code == 200
    shown = made.json()
    assert shown["id"].endswith("/connections/feed")
    assert shown["type"].endswith("workspaces/connections")
    assert shown["properties"] == {
        "category": "PythonFeed",
        "target": TARGET,
        "authType": "UsernamePassword",
        "credentials": None,
        "group": "GenericProtocol",
        "metadata": {},
        "isSharedToAll": True,
    }
    read = await plane.client("reader").get("connections/feed")
    listed = await client.get("connections")
    assert read.json() == shown
    assert listed.json()["value"] == [shown]
    document = await plane.stage.store.get("connections", "feed")
    for text in (made.text, read.text, listed.text, str(document.body)):
        assert "s3cr3t" not in text
    assert await opened(plane).of(f"{TARGET}/simple") == Credentials("robot", "s3cr3t")


OPENED = (
    TARGET,
    f"{TARGET}/simple",
    "https://packages.example:443/team/simple",
    "https://PACKAGES.example/team/simple",
)
OTHERS = (
    "https://packages.example/teams",
    "https://packages.example/",
    "http://packages.example/team",
    "https://packages.example:8443/team",
    "https://packages.example.evil.example/team",
    "https://evil.example/https://packages.example/team",
)


async def test_it_opens_what_is_at_its_target_or_below(plane: ControlPlane) -> None:
    await plane.client().put("connections/feed", BODY)
    credentials = opened(plane)
    assert [url for url in (*OPENED, *OTHERS) if await credentials.of(url)] == [*OPENED]


async def test_of_several_the_nearest_opens(plane: ControlPlane) -> None:
    client = plane.client()
    pat = {"authType": "PAT", "credentials": {"pat": "t0ken"}}
    await client.put("connections/whole", body(target="https://packages.example", **pat))
    await client.put("connections/team", BODY)
    await client.put(
        "connections/open",
        body(target=f"{TARGET}/public", authType="None", credentials=None),
    )
    credentials = opened(plane)
    assert await credentials.of("https://packages.example/x") == Credentials(
        "VssSessionToken", "t0ken"
    )
    assert await credentials.of(f"{TARGET}/simple") == Credentials("robot", "s3cr3t")
    assert await credentials.of(f"{TARGET}/public/simple") is None


async def test_credentials_remain_in_a_change_but_never_for_another_address(
    plane: ControlPlane,
) -> None:
    client = plane.client()
    await client.put("connections/feed", BODY)
    changed = await client.patch("connections/feed", {"properties": {"metadata": {"team": "a"}}})
    assert changed.status_code == 200
    assert await opened(plane).of(TARGET) == Credentials("robot", "s3cr3t")
    turned = {"properties": {"credentials": {"password": "n3w", "username": "robot"}}}
    assert (await client.patch("connections/feed", turned)).status_code == 200
    assert await opened(plane).of(TARGET) == Credentials("robot", "n3w")

    elsewhere = {"properties": {"target": "https://evil.example/"}}
    for reply in (
        await client.patch("connections/feed", elsewhere),
        await client.put("connections/feed", body(target="https://evil.example", credentials=None)),
        await client.patch("connections/feed", {"properties": {"authType": "PAT"}}),
    ):
        assert reply.status_code == 400
        assert "remains only while its target and authType do" in reply.text
        assert "n3w" not in reply.text
    assert (await client.delete("connections/feed")).status_code == 200
    assert await opened(plane).of(TARGET) is None
    assert (await client.delete("connections/feed")).status_code == 204


async def test_every_fault_is_told_at_once_and_none_repeats_a_secret(plane: ControlPlane) -> None:
    reply = await plane.client().put(
        "connections/feed",
        body(
            target="https://robot:s3cr3t@packages.example",
            isSharedToAll=False,
            expiryTime="2030-01-01T00:00:00Z",
            credentials={"username": "a:b", "password": "s3cr3t\n", "pat": "s3cr3t"},
        ),
    )
    assert reply.status_code == 400
    assert "s3cr3t" not in reply.text
    assert {each["target"] for each in reply.json()["error"]["details"]} == {
        "properties.expiryTime"
    }
    reply = await plane.client().put(
        "connections/feed",
        body(
            target="https://robot:s3cr3t@packages.example",
            isSharedToAll=False,
            credentials={"username": "a:b", "password": "s3cr3t\n", "pat": "s3cr3t"},
        ),
    )
    assert "s3cr3t" not in reply.text
    assert {each["target"] for each in reply.json()["error"]["details"]} == {
        "properties.target",
        "properties.isSharedToAll",
        "properties.credentials.username",
        "properties.credentials.password",
        "properties.credentials.pat",
    }
    assert (await plane.client().get("connections/feed")).status_code == 404


async def test_owners_alone_make_and_delete_them(plane: ControlPlane) -> None:
    await plane.client().put("connections/feed", BODY)
    for role in ("reader", "contributor", "scorer"):
        client = plane.client(role)
        for reply in (
            await client.put("connections/other", BODY),
            await client.patch("connections/feed", {"properties": {"metadata": {}}}),
            await client.delete("connections/feed"),
        ):
            assert reply.status_code == 403
            assert "one of these roles: owner." in reply.text


async def test_azure_mls_older_spellings_are_read(plane: ControlPlane) -> None:
    made = await plane.client().put(
        "connections/feed",
        {
            "tags": {},
            "properties": {
                "category": "python_feed",
                "target": TARGET,
                "authtype": "pat",
                "credentials": {"pat": "t0ken"},
                "group": "GenericProtocol",
                "useWorkspaceManagedIdentity": False,
                "sharedUserList": [],
            },
        },
    )
    assert made.status_code == 200, made.text
    assert (made.json()["properties"]["authType"]) == "PAT"
