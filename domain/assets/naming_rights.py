"""Whoever names a thing in what he asks for must be able to read it: to run code, or a job over
data, is to have it. The one place that says so, for deployments and jobs alike."""

from domain.assets.datastore import scope_of
from domain.errors import Detail, Forbidden
from domain.ground.access import allows, told_roles
from domain.ports import Principal

_VERSIONED = frozenset({"models", "codes", "environments", "data"})
_READ = "read"
_WRITE = "listSecrets/action"
"""What lets somebody write to a datastore by other means."""


class NamingRights:
    """Of one request of `caller`, who may go on naming without a right what stays as it is
    (`as_before`); `missing` collects what he may not name. Nothing is looked up: whether
    what he may not read is there is not told."""

    def __init__(self, caller: Principal, *, as_before: bool = False) -> None:
        self._caller = caller
        self._as_before = as_before
        self.missing: list[Detail] = []

    def may_name(self, collection: str, name: str, target: str) -> bool:
        """An asset or a compute."""
        read = f"{collection}/versions" if collection in _VERSIONED else collection
        return self._may(f"{read}/{_READ}", f"{collection}/{name}", target)

    def may_read_from(self, container: str, target: str) -> bool:
        """Files of the blob store."""
        return self._may(f"datastores/{_READ}", scope_of(container), target)

    def may_write_to(self, container: str, target: str) -> bool:
        return self._may(f"datastores/{_WRITE}", scope_of(container), target)

    def refuse(self) -> None:
        """Raises Forbidden with everything that is missing."""
        if self.missing:
            more = f" (and {len(self.missing) - 1} more)" if len(self.missing) > 1 else ""
            first = self.missing[0]
            raise Forbidden(f"{first.message}{more}", target=first.target, details=self.missing)

    def _may(self, action: str, scope: str, target: str) -> bool:
        if self._as_before or allows(self._caller, action, scope):
            return True
        role = "contributor" if action.endswith(_WRITE) else "reader"
        self.missing.append(
            Detail(
                Forbidden.code,
                f"'{self._caller.id}' may not name '{scope[:160]}' here: that needs "
                f"'workspaces/{action}' on it (its roles: {told_roles(self._caller)}). Ask for the "
                f"role {role}/{scope[:160]}.",
                target,
            )
        )
        return False
