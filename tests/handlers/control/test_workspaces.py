from tests.handlers.conftest import BASE_URL, ControlPlane


async def test_the_workspace_reads_as_arm_shows_one(plane: ControlPlane) -> None:
    reply = await plane.client("reader").get("", params={"api-version": "2024-10-01-preview"})
    assert reply.status_code == 200
    body = reply.json()
    assert body["id"] == plane.routes.scope.id
    assert (body["name"], body["location"]) == ("workspace", "here")
    assert body["type"] == "Microsoft.MachineLearningServices/workspaces"
    assert body["properties"]["provisioningState"] == "Succeeded"
    assert body["properties"]["discoveryUrl"].startswith(BASE_URL)


async def test_the_discovery_url_leads_somewhere(plane: ControlPlane) -> None:
    client = plane.client()
    url = (await client.get("")).json()["properties"]["discoveryUrl"]
    reply = await plane.client(None).http.get(url)
    assert reply.status_code == 200
    assert reply.json()["api"] == BASE_URL


async def test_the_workspace_can_only_be_read(plane: ControlPlane) -> None:
    client = plane.client()
    assert (await client.put("", {})).status_code == 405
    assert (await client.delete("")).status_code == 405


async def test_the_workspace_is_listed_in_its_subscription_and_in_its_group(
    plane: ControlPlane,
) -> None:
    scope, client = plane.routes.scope, plane.client("reader")
    of_subscription = f"/subscriptions/{scope.subscription}"
    of_group = f"{of_subscription}/resourceGroups/{scope.resource_group}"
    for above in (of_subscription, of_group):
        reply = await client.http.get(
            f"{above}/providers/Microsoft.MachineLearningServices/workspaces"
        )
        assert [each["id"] for each in reply.json()["value"]] == [scope.id], reply.text


async def test_another_subscription_has_no_workspaces(plane: ControlPlane) -> None:
    other = "/subscriptions/other/providers/Microsoft.MachineLearningServices/workspaces"
    assert (await plane.client("reader").http.get(other)).status_code == 404
