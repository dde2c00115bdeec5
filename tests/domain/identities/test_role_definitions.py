"""Azure's roles and scopes, and what they come to here."""

import pytest

from domain.errors import Invalid
from domain.identities.role_definitions import RoleScopes, definition
from domain.names import WorkspaceScope

GROUP = "/subscriptions/s/resourceGroups/g"
SCOPES = RoleScopes(
    WorkspaceScope("s", "g", "w"), f"{GROUP}/providers/Microsoft.Storage/storageAccounts/local"
)
WORKSPACE = SCOPES.workspace.id
CONTAINERS = f"{SCOPES.account}/blobServices/default/containers"


@pytest.mark.parametrize(
    ("role", "scope", "comes_to"),
    [
        ("Reader", WORKSPACE, "reader"),
        ("reader", GROUP.upper(), "reader"),
        ("Reader", f"{WORKSPACE}/onlineEndpoints/iris", "reader/onlineEndpoints/iris"),
        ("Endpoint Scorer", f"{WORKSPACE}/onlineEndpoints/iris/", "scorer/onlineEndpoints/iris"),
        ("AzureML Data Scientist", WORKSPACE, "contributor"),
        ("Storage Blob Data Reader", GROUP, "blobReader"),
        ("Storage Blob Data Reader", SCOPES.account, "blobReader"),
        (
            "Storage Blob Data Contributor",
            f"{CONTAINERS}/inbox",
            "blobContributor/containers/inbox",
        ),
        ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", f"{CONTAINERS}/c", "blobReader/containers/c"),
    ],
)
def test_a_role_is_for_its_scope_and_what_is_within(role: str, scope: str, comes_to: str) -> None:
    assert SCOPES.role(definition(role), scope) == comes_to


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        ("Reader", SCOPES.account),
        ("Reader", "/subscriptions/s/resourceGroups/other"),
        ("Storage Blob Data Reader", f"{WORKSPACE}/onlineEndpoints/iris"),
        ("Storage Blob Data Reader", f"{SCOPES.account}2"),
        ("Storage Blob Data Reader", f"{CONTAINERS}/"),
        ("Storage Blob Data Reader", f"{CONTAINERS}/a/b"),
    ],
)
def test_a_role_that_would_open_nothing_is_refused(role: str, scope: str) -> None:
    with pytest.raises(Invalid, match="opens nothing") as refused:
        SCOPES.role(definition(role), scope)
    assert refused.value.code == "ScopeNotAllowed"


@pytest.mark.parametrize(
    ("role", "code"),
    [
        ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "RoleNotAllowed"),
        ("AcrPull", "RoleDefinitionDoesNotExist"),
    ],
)
def test_no_identity_is_an_owner_and_other_roles_are_named(role: str, code: str) -> None:
    with pytest.raises(Invalid, match="'Reader'") as refused:
        definition(role)
    assert refused.value.code == code
