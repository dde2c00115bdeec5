"""What `azd up` has done around Bicep, on any machine and however often."""

from typing import Any

import pytest

from domain.ground.access import ROLES
from scripts.provisioning import application, hooks
from scripts.provisioning.azure_cli import AzureCli, Failed, run
from tests.scripts.fake_azure import ADA, SUBSCRIPTION, FakeAzure

GROUP = "rg-prod"
FIRST_RUN = {"AZURE_ENV_NAME": "prod", "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION}
APP_ROLES = {role for role in ROLES if not role.startswith("blob")}
"""Who may do what with blobs is said on the storage account there."""
OUTPUTS = {
    "AZURE_RESOURCE_GROUP": GROUP,
    "KEY_VAULT_NAME": "kv-abc",
    "FUNCTION_APP_NAME": "func-abc",
}


def have_run(azure: FakeAzure, hook: str, **environment: str) -> None:
    cli = AzureCli(SUBSCRIPTION, azure.run, azure.waited.append)
    hooks.HOOKS[hook]({**FIRST_RUN, **environment}, cli, azure.run)


@pytest.fixture
def azure() -> FakeAzure:
    return FakeAzure()


def the_application(azure: FakeAzure) -> dict[str, Any]:
    [made] = azure.applications.values()
    return made


def test_the_registration_has_the_app_s_roles_and_its_maker_is_owner(azure: FakeAzure) -> None:
    have_run(azure, "preprovision")
    made = the_application(azure)
    assert made["displayName"] == "ml-endpoints-prod"
    assert made["identifierUris"] == [f"api://{made['appId']}"]
    assert {role["value"] for role in made["appRoles"]} == APP_ROLES == set(application.ROLES)
    assert all(role["allowedMemberTypes"] == ["User", "Application"] for role in made["appRoles"])
    assert made["api"]["requestedAccessTokenVersion"] == 2
    [scope] = made["api"]["oauth2PermissionScopes"]
    [caller] = made["api"]["preAuthorizedApplications"]
    assert caller["delegatedPermissionIds"] == [scope["id"]]
    assert made["groupMembershipClaims"] == "ApplicationGroup"
    assert azure.kept == {"ENTRA_APPLICATION_ID": made["appId"]}
    [given] = azure.assigned
    [owner] = [role["id"] for role in made["appRoles"] if role["value"] == "owner"]
    assert (given["principalId"], given["appRoleId"]) == (ADA, owner)


def test_a_second_run_on_another_machine_changes_nothing(azure: FakeAzure) -> None:
    have_run(azure, "preprovision")
    before, azure.changes = azure.kept.copy(), []
    have_run(azure, "preprovision")
    assert azure.changes == []
    assert azure.kept == before


def test_what_is_not_there_at_once_is_waited_for() -> None:
    azure = FakeAzure(late=2)
    have_run(azure, "preprovision")
    assert len(azure.assigned) == 1
    assert azure.waited


def test_what_was_added_to_a_registration_stays_and_what_it_lacks_is_mended(
    azure: FakeAzure,
) -> None:
    have_run(azure, "preprovision")
    made = the_application(azure)
    own = {"id": "own", "value": "auditor", "isEnabled": True}
    made["appRoles"] = [own, *(role for role in made["appRoles"] if role["value"] != "scorer")]
    made["api"]["preAuthorizedApplications"] = [{"appId": "other", "delegatedPermissionIds": []}]
    have_run(azure, "preprovision")
    mended = the_application(azure)
    assert {role["value"] for role in mended["appRoles"]} == {*APP_ROLES, "auditor"}
    assert [each["appId"] for each in mended["api"]["preAuthorizedApplications"]] == [
        "other",
        application.AZURE_CLI,
    ]


def test_a_registration_of_one_s_own_is_left_alone(azure: FakeAzure) -> None:
    have_run(azure, "preprovision", ENTRA_APPLICATION_ID="0c1f3a1e-6f2d-4c0b-9a53-7f5e2f6b9d10")
    assert (azure.applications, azure.changes, azure.kept) == ({}, [], {})


def test_a_pipeline_makes_nobody_owner() -> None:
    azure = FakeAzure(logs_in_as="servicePrincipal")
    have_run(azure, "preprovision")
    assert azure.assigned == []


def test_the_key_is_made_once_whoever_provisions_and_never_shown(azure: FakeAzure) -> None:
    azure.vaults["kv-abc"] = {}
    have_run(azure, "postprovision", **OUTPUTS)
    key = azure.vaults["kv-abc"]["secrets"]["cipher-key"]
    assert len(key) >= 64
    assert any("configreferences" in change for change in azure.changes)
    azure.changes = []
    have_run(azure, "postprovision", **OUTPUTS)
    assert azure.vaults["kv-abc"]["secrets"]["cipher-key"] == key
    assert azure.changes == []
    # Arguments of programs are for every user of the machine to see, azd's environment is a file.
    assert key not in " ".join(azure.shown)
    assert key not in azure.kept.values()


def test_a_vault_that_cannot_be_looked_into_gets_no_other_key(azure: FakeAzure) -> None:
    azure.vaults["kv-abc"] = {"secrets": {"cipher-key": "the one"}}
    azure.faults = ['Forbidden({"error":{"code":"AuthorizationFailed"}})']
    with pytest.raises(Failed, match="AuthorizationFailed"):
        have_run(azure, "postprovision", **OUTPUTS)
    assert azure.vaults["kv-abc"]["secrets"]["cipher-key"] == "the one"
    assert azure.waited == []


def test_the_vault_of_an_installation_that_was_removed_comes_back(azure: FakeAzure) -> None:
    of_group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-prod"
    inside = f"{of_group}/providers/Microsoft.KeyVault/vaults/kv-abc"
    azure.deleted_vaults = {
        "kv-other": {},
        "kv-abc": {"id": inside, "secrets": {"cipher-key": "the one"}},
    }
    have_run(azure, "preprovision", ENTRA_APPLICATION_ID="any")
    assert set(azure.vaults) == {"kv-abc"}
    have_run(azure, "postprovision", **OUTPUTS)
    assert azure.vaults["kv-abc"]["secrets"]["cipher-key"] == "the one"
    # Beside a vault that is there, a deleted one is somebody else's affair.
    azure.deleted_vaults["kv-older"] = {"id": inside.replace("kv-abc", "kv-older")}
    have_run(azure, "preprovision", ENTRA_APPLICATION_ID="any")
    assert set(azure.vaults) == {"kv-abc"}


def test_faults_that_may_pass_are_waited_out_for_a_while(azure: FakeAzure) -> None:
    azure.vaults["kv-abc"] = {}
    azure.faults = ["Too Many Requests({})", "Service Unavailable({})", "Connection aborted"]
    have_run(azure, "postprovision", **OUTPUTS)
    assert azure.waited == [2, 4, 8]
    azure.faults = ["Bad Gateway({})"] * 6
    with pytest.raises(Failed, match="Bad Gateway"):
        have_run(azure, "postprovision", **OUTPUTS)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(Failed, match="`no-such-azure-cli` is needed"):
        run("no-such-azure-cli", "version")


def test_a_hook_is_told_by_name_and_asks_for_what_azd_sets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    assert hooks.main(["postdeploy"]) == 2
    assert hooks.main(["preprovision"]) == 1
    assert "AZURE_SUBSCRIPTION_ID" in capsys.readouterr().err
