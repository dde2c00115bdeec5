"""A strict stand-in for Azure Resource Manager, as far as Container Apps go: what it takes, what it
refuses, and how long things take. It knows nothing of HTTP."""

import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from tests.servers.arm import rules, schema
from tests.servers.arm.records import LOCATION, AppRecord, Environment, Fault, Operation, Refused
from tests.servers.arm.runs import Runs
from tests.servers.arm.throttle import Throttle


class Manager:
    """Of one subscription. Held by a lock, for what runs containers takes its time elsewhere."""

    def __init__(self, runs: Runs, throttle: Throttle) -> None:
        self.runs = runs
        self.throttle = throttle
        self.environments: dict[str, Environment] = {}
        self.apps: dict[str, AppRecord] = {}
        self.operations: dict[str, Operation] = {}
        self.identities: set[str] = set()
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        """By method and kind of thing, those included that were refused."""
        self.made: Counter[str] = Counter()
        """How often an app of each name was made."""
        self.is_slow = False
        """Whether what is begun stays so until `go_on`."""
        self._lock = threading.RLock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        """By app: what takes its time is done one after the other."""

    def fault(self, method: str, path: str) -> Fault | None:
        """What is planned for a call."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and fault.part in path:
                    fault.times -= 1
                    return fault
        return None

    def environment(self, id: str) -> Environment:
        found = self.environments.get(id.casefold())
        if found is None:
            raise Refused(404, "ResourceNotFound", f"The Resource '{id}' was not found.")
        return found

    def listed(self, group: str) -> list[dict[str, Any]]:
        with self._lock:
            found = [app for app in self.apps.values() if app.group == group.casefold()]
            return [app.shown for app in sorted(found, key=lambda each: each.name)]

    def app(self, id: str) -> AppRecord:
        found = self.apps.get(id.casefold())
        if found is None:
            raise Refused(404, "ResourceNotFound", f"The Resource '{id}' was not found.")
        return found

    def put(
        self, id: str, body: Mapping[str, Any], if_none_match: str
    ) -> tuple[AppRecord, Operation, bool]:
        """The app, how it goes on, and whether it is new."""
        name = id.rpartition("/")[2]
        if wrong := schema.faults(name, body):
            raise Refused(400, "InvalidRequestContent", "; ".join(wrong))
        environment = self.environments.get(body["properties"]["environmentId"].casefold())
        if environment is None:
            told = "The environment of the app does not exist."
            raise Refused(400, "ManagedEnvironmentNotFound", told)
        rules.check(name, body, environment, self.identities)
        with self._lock:
            there = self.apps.get(id.casefold())
            if there is not None and if_none_match == "*":
                told = "The condition in If-None-Match was not met."
                raise Refused(412, "PreconditionFailed", told)
            if there is not None and there.state in ("InProgress", "Deleting"):
                told = f"Cannot modify {name}: another operation is in progress."
                raise Refused(409, "ContainerAppOperationInProgress", told)
            app = AppRecord(id, body, environment)
            app.revisions = there.revisions + 1 if there is not None else 1
            app.error = self._lacking(app)
            self.apps[id.casefold()] = app
            self.made[name] += 1
            return app, self._operation(app), there is None

    def _lacking(self, app: AppRecord) -> Refused | None:
        """What shows only as it is made."""
        others = [e for e in self.apps.values() if e.environment is app.environment]
        taken = sum(rules.size_of(each.properties)[0] for each in others if each.id != app.id)
        if taken + rules.size_of(app.properties)[0] <= app.environment.cores:
            return None
        most = app.environment.cores
        told = f"Maximum Allowed Cores exceeded for the Managed Environment: {most:g}"
        return Refused(400, "MaximumAllowedCoresExceeded", told)

    def delete(self, id: str) -> Operation:
        with self._lock:
            app = self.app(id)
            if app.state == "InProgress" and app.error is None and self.is_slow:
                told = f"Cannot delete {app.name}: another operation is in progress."
                raise Refused(409, "ContainerAppOperationInProgress", told)
            app.state = "Deleting"
            return self._operation(app, is_delete=True)

    def _operation(self, app: AppRecord, *, is_delete: bool = False) -> Operation:
        subscription = app.id.partition("/resourceGroups/")[0]
        place = f"providers/Microsoft.App/locations/{LOCATION}/containerappOperationStatuses"
        operation = Operation(f"{subscription}/{place}/{uuid.uuid4()}", app, is_delete)
        self.operations[operation.id.casefold()] = operation
        return operation

    def operation(self, id: str) -> Operation:
        found = self.operations.get(id.casefold())
        if found is None:
            raise Refused(404, "NotFound", "There is no such operation.")
        return found

    def work(self, operation: Operation) -> None:
        """Do what was begun. Blocking."""
        with self._lock:
            turn = self._turns[operation.app.id.casefold()]
        with turn:
            self._do(operation)

    def _do(self, operation: Operation) -> None:
        app = operation.app
        if operation.is_delete:
            self.runs.end(app)
            with self._lock:
                if self.apps.get(app.id.casefold()) is app:
                    del self.apps[app.id.casefold()]
                operation.status = "Succeeded"
            return
        if app.error is None and app.state != "Deleting":
            self.runs.begin(app)
        with self._lock:
            is_well = app.error is None
            operation.status = "Succeeded" if is_well else "Failed"
            if app.state == "InProgress":
                app.state = operation.status
