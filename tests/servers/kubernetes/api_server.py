"""The HTTP API of a cluster: strict about what it takes."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from aiohttp import web

from tests.servers.kubernetes import defaults, discovery
from tests.servers.kubernetes.admission import Access, Admission
from tests.servers.kubernetes.kinds import BY_PLURAL, Kind
from tests.servers.kubernetes.owned_fields import (
    Conflicts,
    Manager,
    applied,
    as_fields_v1,
    from_fields_v1,
    updated,
)
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.schemas import definitions, faults
from tests.servers.kubernetes.store import Object, Store, by_fields, by_labels, now

APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = ("application/merge-patch+json", "application/strategic-merge-patch+json")
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_BOOKMARK: Final = 1.0

Logs = Callable[[Object, Mapping[str, str]], Awaitable[str]]
Deletion = Callable[[Kind, Object, Mapping[str, Any]], None]


@dataclass
class Asked:
    kind: Kind
    namespace: str
    name: str
    part: str
    query: Mapping[str, str]


class ApiServer:
    """`logs` reads those of a pod; `deletion` does what follows of a deletion. `requests` are all
    that were made, as verb and resource."""

    def __init__(self, store: Store, access: Access, logs: Logs, deletion: Deletion) -> None:
        self.store = store
        self.access = access
        self.admission = Admission(store)
        self._logs = logs
        self._deletion = deletion
        self.requests: list[tuple[str, str]] = []
        self.watches: set[asyncio.Task[Any]] = set()
        self.app = web.Application(client_max_size=2**24)
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    # -- HTTP

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            found = discovery.answer(request.path)
            if found is not None:
                return web.json_response(found)
            return await self._answered(request, self._asked(request))
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)

    def _asked(self, request: web.Request) -> Asked:
        parts = request.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if (
            parts[:1] == ["namespaces"]
            and len(parts) > 2
            and parts[2] not in ("status", "finalize")
        ):
            namespace, parts = parts[1], parts[2:]
        kind = BY_PLURAL.get(parts[0]) if parts else None
        if kind is None or not request.path.startswith(f"{kind.prefix}/"):
            raise Refusal(404, "the server could not find the requested resource")
        name, part = (*parts[1:3], "", "")[:2]
        return Asked(kind, namespace, name, part, request.query)

    async def _answered(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        kind, method = asked.kind, request.method
        verb = _VERBS.get(method, "get" if asked.name else "list")
        if request.query.get("watch") in ("true", "1") and method == "GET":
            verb = "watch"
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append((verb, f"{kind.plural}/{asked.part}".rstrip("/")))
        place = asked.namespace, asked.name
        self.access.check(token, verb, kind, asked.part, place, self.store)
        if verb in ("create", "patch"):
            self._check_namespace(asked)
        if verb == "watch":
            return await self._watched(request, asked)
        if verb == "list":
            return web.json_response(self._listed(asked))
        if asked.part == "log":
            pod = self.store.get(kind, asked.namespace, asked.name)
            return web.Response(text=await self._logs(pod, request.query))
        body = await self._body(request)
        if asked.part == "scale":
            return web.json_response(self._scaled(asked, body, request))
        match verb:
            case "get":
                told = self.store.get(kind, asked.namespace, asked.name)
            case "create":
                told = self._created(asked, body)
            case "update":
                told = self.update(asked, body)
            case "patch":
                told = self._patched(asked, body, request.content_type)
            case _:
                told = self._deleted(asked, body)
        return web.json_response(told, status=201 if verb == "create" else 200)

    def _check_namespace(self, asked: Asked) -> None:
        if not asked.kind.namespaced or not asked.namespace:
            return
        if self.store.find("namespaces", "", asked.namespace) is None:
            raise Refusal(404, f'namespaces "{asked.namespace}" not found')

    async def _body(self, request: web.Request) -> Any:
        content = await request.read()
        if not content:
            return {}
        if not request.content_type.endswith(("json", "yaml")):
            raise Refusal(
                415, f"the body of the request was in an unknown format: {request.content_type}"
            )
        try:
            is_json = request.content_type.endswith("json")
            return json.loads(content) if is_json else yaml.safe_load(content)
        except ValueError as error:
            raise Refusal(400, f"the body is none: {error}") from None

    # -- reading

    def _meant(self, asked: Asked) -> Callable[[Object], bool]:
        labels = by_labels(asked.query.get("labelSelector", ""))
        fields = by_fields(asked.query.get("fieldSelector", ""))
        named = asked.name
        return lambda each: (
            labels(each) and fields(each) and (not named or each["metadata"]["name"] == named)
        )

    def _listed(self, asked: Asked) -> Object:
        kind, meant = asked.kind, self._meant(asked)
        namespace = asked.namespace or None if kind.namespaced else None
        found = [each for each in self.store.all(kind.plural, namespace) if meant(each)]
        about: Object = {"resourceVersion": str(self.store.version)}
        limit, begin = int(asked.query.get("limit") or 0), int(asked.query.get("continue") or 0)
        if limit and len(found) > begin + limit:
            about["continue"] = str(begin + limit)
        found = found[begin : begin + limit] if limit else found
        head = {"apiVersion": kind.api_version, "kind": f"{kind.kind}List"}
        return {**head, "metadata": about, "items": found}

    async def _watched(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        version = int(asked.query.get("resourceVersion") or self.store.version)
        meant, kind = self._meant(asked), asked.kind
        self.store.since(kind.plural, version)  # refused before it has begun
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        task = asyncio.current_task()
        if task is not None:
            self.watches.add(task)
        try:
            while True:
                # What happens while events are sent is for the next round.
                sent, known = False, self.store.version
                try:
                    events = self.store.since(kind.plural, version)
                except Refusal as refusal:
                    await self._say(answer, "ERROR", refusal.body)
                    return answer
                for event in events:
                    about = event.object["metadata"]
                    in_place = asked.namespace in ("", about.get("namespace", ""))
                    if in_place and meant(event.object):
                        await self._say(answer, event.type, event.object)
                        sent = True
                version = max(version, known)
                if not sent and asked.query.get("allowWatchBookmarks") == "true":
                    head = {"apiVersion": kind.api_version, "kind": kind.kind}
                    mark = {**head, "metadata": {"resourceVersion": str(version)}}
                    await self._say(answer, "BOOKMARK", mark)
                if self.store.version == version:
                    await self.store.changed(_BOOKMARK)
        except (ConnectionError, asyncio.CancelledError):
            return answer
        finally:
            if task is not None:
                self.watches.discard(task)

    async def _say(self, answer: web.StreamResponse, type: str, body: Object) -> None:
        await answer.write(json.dumps({"type": type, "object": body}).encode() + b"\n")

    # -- writing

    def _created(self, asked: Asked, body: Object) -> Object:
        meta = body.setdefault("metadata", {})
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = f"{meta['generateName']}{self.store.version:05d}"
        new = self._whole(asked, body)
        by = Manager(asked.query.get("fieldManager", "unknown"), "Update", "", set())
        schema = definitions()[asked.kind.definition]
        _keep(new, updated({}, new, schema, [], by), asked.kind)
        self.admission.admit(asked.kind, new, new=True)
        return self.store.create(asked.kind, new)

    def update(self, asked: Asked, body: Object) -> Object:
        old = self.store.get(asked.kind, asked.namespace, asked.name)
        return self._saved(asked, old, self._whole(asked, body))

    def _patched(self, asked: Asked, body: Any, content_type: str) -> Object:
        if content_type == APPLY:
            return self.apply(asked, body)
        old = self.store.get(asked.kind, asked.namespace, asked.name)
        if content_type in _MERGE:
            return self._saved(asked, old, self._whole(asked, _patch(copy.deepcopy(old), body)))
        raise Refusal(415, f"the body of the request was in an unknown format: {content_type}")

    def apply(self, asked: Asked, body: Object) -> Object:
        kind, who = asked.kind, asked.query.get("fieldManager")
        if not who:
            raise Refusal(422, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        if (body.get("metadata") or {}).get("managedFields"):
            raise Refusal(400, "metadata.managedFields must be nil")
        wanted = self._whole(asked, body, partial=True)
        old = self.store.find(kind.plural, asked.namespace, asked.name)
        managers = _managers(old or {})
        mine = [m for m in managers if (m.name, m.operation, m.part) == (who, "Apply", "")]
        by = mine[0] if mine else Manager(who, "Apply", "", set())
        others = [each for each in managers if each is not by]
        schema = definitions()[kind.definition]
        force = asked.query.get("force") == "true"
        try:
            new, then = applied(old or {}, wanted, schema, others, by, force=force)
        except Conflicts as conflicts:
            raise Refusal(409, str(conflicts)) from None
        new.setdefault("apiVersion", kind.api_version)
        _check(kind, new, partial=False)
        defaults.fill(kind, new)
        _keep(new, then, kind)
        self.admission.admit(kind, new, new=old is None)
        if old is not None:
            self._check_immutable(kind, old, new)
        if asked.query.get("dryRun") == "All":
            return new
        return self.store.create(kind, new) if old is None else self.store.replace(kind, new)

    def _saved(self, asked: Asked, old: Object, new: Object) -> Object:
        kind = asked.kind
        if asked.part == "status":
            new = {**old, "status": new.get("status") or {}}
        else:
            new = {**new, **({"status": old["status"]} if "status" in old else {})}
            schema = definitions()[kind.definition]
            who = asked.query.get("fieldManager") or "kubectl-edit"
            managers = _managers(old)
            mine = [m for m in managers if (m.name, m.operation) == (who, "Update")]
            by = mine[0] if mine else Manager(who, "Update", "", set())
            others = [each for each in managers if each is not by]
            _keep(new, updated(old, new, schema, others, by), kind)
            self.admission.admit(kind, new, new=False)
            self._check_immutable(kind, old, new)
        return self.store.replace(kind, new)

    def _scaled(self, asked: Asked, body: Object, request: web.Request) -> Object:
        kind = asked.kind
        old = self.store.get(kind, asked.namespace, asked.name)
        if request.method != "GET":
            said = list(faults(body, definitions()["io.k8s.api.autoscaling.v1.Scale"]))
            if said:
                raise Refusal(400, f"strict decoding error: {', '.join(said)}")
            count = body["spec"].get("replicas", 0)
            who = asked.query.get("fieldManager") or "kubectl"
            operation = "Apply" if request.content_type == APPLY else "Update"
            path = ("f:spec", "f:replicas")
            managers = [m for m in _managers(old) if (m.name, m.part) != (who, "scale")]
            for each in managers:
                each.fields.discard(path)
            managers.append(Manager(who, operation, "scale", {path}))
            new = copy.deepcopy(old)
            new["spec"]["replicas"] = count
            _keep(new, [each for each in managers if each.fields], kind)
            self.admission.admit(kind, new, new=False)
            old = self.store.replace(kind, new)
        meta: Object = {
            n: old["metadata"][n] for n in ("name", "namespace", "resourceVersion", "uid")
        }
        there = (old.get("status") or {}).get("replicas", 0)
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": meta,
            "spec": {"replicas": old["spec"].get("replicas", 1)},
            "status": {"replicas": there},
        }

    def _deleted(self, asked: Asked, body: Object) -> Object:
        found = self.store.get(asked.kind, asked.namespace, asked.name)
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted not in (None, found["metadata"]["uid"]):
            told = f"the UID in the precondition ({wanted}) does not match the UID in record"
            raise Refusal(409, f"Operation cannot be fulfilled: {told}")
        self._deletion(asked.kind, found, body)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _whole(self, asked: Asked, given: Any, *, partial: bool = False) -> Object:
        """As it is to be kept, or the part that is applied of it. Raises Refusal for what is not
        of its kind."""
        kind = asked.kind
        if not isinstance(given, dict):
            raise Refusal(400, "the body is no object")
        body: Object = copy.deepcopy(given)
        head = body.get("apiVersion"), body.get("kind")
        if head != (kind.api_version, kind.kind):
            raise Refusal(400, f"the object is {head}, and {kind.api_version} {kind.kind} is meant")
        meta = body.setdefault("metadata", {})
        if kind.namespaced and meta.setdefault("namespace", asked.namespace) != asked.namespace:
            raise Refusal(400, "the namespace of the object does not match the request's")
        if asked.name and meta.setdefault("name", asked.name) != asked.name:
            raise Refusal(400, "the name of the object does not match the request's")
        said = list(faults(body, definitions()[kind.definition]))
        unknown = [each for each in said if each.startswith("unknown field")]
        if unknown and asked.query.get("fieldValidation", "Warn") == "Strict":
            told = f"{kind.kind} in version {kind.version!r} cannot be handled: "
            raise Refusal(400, f"{told}strict decoding error: {', '.join(unknown)}")
        _check(kind, body, partial=partial)
        if not partial:
            defaults.fill(kind, body)
        return body

    def _check_immutable(self, kind: Kind, old: Object, new: Object) -> None:
        for path in defaults.IMMUTABLE.get(kind.plural, ()):
            before, after = old, new
            for key in path:
                before, after = before.get(key) or {}, after.get(key) or {}
            if before and before != after:
                at, name = ".".join(path), new["metadata"]["name"]
                told = f'{kind.kind} "{name}" is invalid: {at}: Invalid value: field is immutable'
                raise Refusal(422, told)


def _check(kind: Kind, body: Object, *, partial: bool) -> None:
    """Raises Refusal."""
    said = list(faults(body, definitions()[kind.definition]))
    wrong = [each for each in said if not each.startswith("unknown field")]
    if partial:
        wrong = [each for each in wrong if not each.endswith("Required value")]
    else:
        wrong += defaults.wrong(kind, body)
    if wrong:
        name = body["metadata"].get("name")
        raise Refusal(422, f'{kind.kind} "{name}" is invalid: {", ".join(wrong)}')


def _managers(body: Object) -> list[Manager]:
    return [
        Manager(
            each["manager"],
            each["operation"],
            each.get("subresource", ""),
            set(from_fields_v1(each["fieldsV1"])),
        )
        for each in (body.get("metadata") or {}).get("managedFields") or []
    ]


def _keep(body: Object, managers: list[Manager], kind: Kind) -> None:
    body["metadata"]["managedFields"] = [
        {
            "manager": each.name,
            "operation": each.operation,
            "apiVersion": kind.api_version,
            "time": now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": as_fields_v1(each.fields),
            **({"subresource": each.part} if each.part else {}),
        }
        for each in managers
    ]


def _patch(body: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _patch(found.get(name), value)
    return found
