"""Names and ids: what may be called what, and how a resource is pointed at."""

import re
from dataclasses import dataclass

from domain.errors import Invalid

LATEST = "latest"
"""The label that every asset has: the version created last of those that are not archived."""
PROVIDER = "Microsoft.MachineLearningServices"

_ENDPOINT_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_ASSET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_NO_FILE_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ASSET_REFERENCE = re.compile(
    r"azureml:(?P<name>[^:@/]+)(:(?P<version>[^:@/]+)|@(?P<label>[^:@/]+))?"
)


def endpoint_name_fault(name: str) -> str | None:
    """Why `name` may not name an endpoint or deployment, or None (Azure ML's rule)."""
    if not 3 <= len(name) <= 32:
        return f"'{name[:40]}' has {len(name)} characters; a name has 3 to 32."
    if not _ENDPOINT_NAME.fullmatch(name):
        return (
            f"'{name}' is not a name: begin with a letter, go on with letters, digits and '-', "
            "and end with a letter or digit."
        )
    return None


def asset_name_fault(name: str) -> str | None:
    """Why `name` may not name an asset, a version, a datastore, a compute or a job, or None."""
    if not _ASSET_NAME.fullmatch(name):
        return (
            f"'{name[:40]}' is not a name: use 1 to 255 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    return None


def file_name_fault(name: str) -> str | None:
    """Why `name` may not name one file inside a folder, or None."""
    if name in ("", ".", "..") or len(name) > 255 or _NO_FILE_NAME.search(name):
        return (
            f"{name[:40]!r} is not a file name: use 1 to 255 characters without '/', '\\' and "
            "control characters."
        )
    return None


@dataclass(frozen=True)
class WorkspaceScope:
    """The one workspace an installation serves, and the ARM ids within it."""

    subscription: str
    resource_group: str
    workspace: str

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace}"
        )

    def path(self, *segments: str) -> str:
        """The ARM id of a resource: `path("models", "m", "versions", "1")`."""
        return "/".join((self.id, *segments))

    def relative(self, arm_id: str) -> list[str] | None:
        """Segments of `arm_id` below this workspace; None if it is not of this workspace.
        Compares without regard to case, as ARM does."""
        prefix = self.id.casefold() + "/"
        text = arm_id.removeprefix("azureml:") if arm_id.startswith("azureml:/") else arm_id
        if not text.casefold().startswith(prefix):
            return None
        return text[len(prefix) :].rstrip("/").split("/")


@dataclass(frozen=True)
class AssetReference:
    """A version of an asset, or what has a label; neither asks for the latest."""

    name: str
    version: str | None
    label: str | None = None


def parse_asset_reference(text: str, kind: str, scope: WorkspaceScope) -> AssetReference:
    """Read an ARM id, `azureml:name:version`, `azureml:name@label` or `name:version` of an
    asset of `kind` (`models`, `codes`, `environments`, `data`). Raises Invalid."""
    if text.startswith("/") or text.startswith("azureml:/subscriptions"):
        segments = scope.relative(text)
        if segments is None:
            raise Invalid(f"'{text}' is not in this workspace ({scope.id}).")
        match segments:
            case [found, name, versions, version] if (
                found.casefold() == kind.casefold() and versions.casefold() == "versions"
            ):
                return AssetReference(name, version)
            case [found, name, labels, label] if (
                found.casefold() == kind.casefold() and labels.casefold() == "labels"
            ):
                return _labelled(name, label)
            case [found, name] if found.casefold() == kind.casefold():
                return AssetReference(name, None)
        raise Invalid(f"'{text}' does not name a version under {kind}.")
    if text.startswith("azureml://registries/"):
        raise Invalid(f"'{text}' is in a registry; register it in this workspace first.")
    match_ = _ASSET_REFERENCE.fullmatch(text if text.startswith("azureml:") else f"azureml:{text}")
    if match_ is None or asset_name_fault(match_["name"]):
        raise Invalid(
            f"'{text}' is not a reference: use azureml:<name>:<version>, "
            f"azureml:<name>@<label> or an ARM id ending in {kind}/<name>/versions/<version> "
            f"or {kind}/<name>/labels/<label>. The label 'latest' is each asset's newest version."
        )
    if match_["label"] is not None:
        return _labelled(match_["name"], match_["label"])
    return AssetReference(match_["name"], match_["version"])


def is_asset_reference(text: str, kind: str, scope: WorkspaceScope) -> bool:
    """Whether it names an asset of `kind`, rather than a place or an address."""
    if text.startswith("azureml:") and not text.startswith(("azureml://", "azureml:/")):
        return True
    below = scope.relative(text)
    return below is not None and below[0].casefold() == kind


def _labelled(name: str, label: str) -> AssetReference:
    return AssetReference(name, None, None if label.casefold() == LATEST else label)
