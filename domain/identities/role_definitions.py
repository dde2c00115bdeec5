"""Azure's built-in roles, by their ids there, and what each comes to here."""

from dataclasses import dataclass
from typing import Final

from domain.errors import Invalid
from domain.names import WorkspaceScope

PROVIDER: Final = "Microsoft.Authorization"


@dataclass(frozen=True)
class RoleDefinition:
    """`role` is the one of domain/ground/access.py that it comes to. Those `of_blobs` are given for
    blobs, the others for the workspace and what is in it."""

    id: str
    name: str
    description: str
    role: str
    of_blobs: bool = False


DEFINITIONS: Final = (
    RoleDefinition(
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "Reader",
        "Read every resource that it is given for, but no secret.",
        "reader",
    ),
    RoleDefinition(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        "Make, change and delete what it is given for; make no clients and give no roles.",
        "contributor",
    ),
    RoleDefinition(
        "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        "AzureML Data Scientist",
        "As Contributor.",
        "contributor",
    ),
    RoleDefinition(
        "2b5f0a3e-6f0c-4d0e-9b0a-5c3d1f7a9e64",
        "Endpoint Scorer",
        "Score on endpoints, and get tokens for that; nothing else. (A role of this software's.)",
        "scorer",
    ),
    RoleDefinition(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        "Read and list blobs.",
        "blobReader",
        of_blobs=True,
    ),
    RoleDefinition(
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        "Read, list, write and delete blobs.",
        "blobContributor",
        of_blobs=True,
    ),
)
_REFUSED: Final = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}


def definition(reference: str) -> RoleDefinition:
    """That an id, an ARM id or a name means. Raises Invalid."""
    wanted = reference.rpartition("/")[2].casefold()
    for each in DEFINITIONS:
        if wanted in (each.id, each.name.casefold()):
            return each
    known = ", ".join(f"'{each.name}' ({each.id})" for each in DEFINITIONS)
    if wanted in _REFUSED:
        raise Invalid(
            f"'{_REFUSED[wanted]}' is not given to an identity: whoever may deploy would be owner "
            f"by a script. There are {known}.",
            code="RoleNotAllowed",
            target="properties.roleDefinitionId",
        )
    raise Invalid(
        f"'{reference[-120:]}' is no role here. There are {known}.",
        code="RoleDefinitionDoesNotExist",
        target="properties.roleDefinitionId",
    )


@dataclass(frozen=True)
class RoleScopes:
    """What ARM ids mean as scopes: of the one workspace, and of the account of its blobs."""

    workspace: WorkspaceScope
    account: str

    def role(self, given: RoleDefinition, scope: str) -> str:
        """`given` for `scope`, as a principal has it. Raises Invalid for a scope that has nothing
        of this installation in it, or nothing that the role is for."""
        at = scope.rstrip("/")
        path = self._blobs_at(at) if given.of_blobs else self._resources_at(at)
        if path is None:
            where = (
                f"{self.account}, or a container of it (…/blobServices/default/containers/…)"
                if given.of_blobs
                else f"{self.workspace.id}, or a resource in it"
            )
            raise Invalid(
                f"'{given.name}' opens nothing at '{scope[:300]}'. Give it for {where}, or for "
                "the resource group.",
                code="ScopeNotAllowed",
                target="scope",
            )
        return f"{given.role}/{path}" if path else given.role

    @property
    def _group(self) -> str:
        here = self.workspace
        return f"/subscriptions/{here.subscription}/resourceGroups/{here.resource_group}"

    def _is_around(self, scope: str) -> bool:
        wide = (self._group, f"/subscriptions/{self.workspace.subscription}", self.workspace.id)
        return scope.casefold() in {each.casefold() for each in wide}

    def _resources_at(self, scope: str) -> str | None:
        if self._is_around(scope):
            return ""
        below = self.workspace.relative(scope)
        return "/".join(below) if below and len(below) <= 8 else None

    def _blobs_at(self, scope: str) -> str | None:
        account = self.account.casefold()
        if self._is_around(scope) or scope.casefold() == account:
            return ""
        inner = "/blobservices/default/containers/"
        if not scope.casefold().startswith(account + inner):
            return None
        container = scope[len(account + inner) :]
        return f"containers/{container}" if container and "/" not in container else None
