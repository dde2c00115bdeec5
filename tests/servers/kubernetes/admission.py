"""What may come into a cluster: rights by verb, quotas, pod security, webhooks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.servers.kubernetes.kinds import Kind
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.store import Object, Store

_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass
class Access:
    """Who may do what, by token: an administrator may do all, a subject what Roles give it."""

    admin: str = "admin"
    subjects: dict[str, str] = field(default_factory=dict)
    """Tokens of service accounts, each `namespace:name`."""
    revoked: set[tuple[str, str]] = field(default_factory=set)
    """Verb and plural (`pods/log`), taken from everybody but the administrator."""

    def check(self, token: str, verb: str, kind: Kind, part: str, place: tuple[str, str], store: Store) -> None:  # fmt: skip # noqa: E501
        """Raises Refusal."""
        if token == self.admin:
            return
        subject = self.subjects.get(token)
        if subject is None:
            raise Refusal(401, "Unauthorized")
        resource = f"{kind.plural}/{part}" if part else kind.plural
        namespace, name = place
        is_given = any(
            verb in rule["verbs"]
            and resource in rule["resources"]
            and kind.group in rule["apiGroups"]
            for rule in _rules(store, subject, namespace)
        )
        if is_given and (verb, resource) not in self.revoked:
            return
        who = "system:serviceaccount:" + subject
        noun = f'{resource} "{name}"' if name else resource
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        told = f'User "{who}" cannot {verb} resource "{resource}" in API group "{kind.group}"'
        raise Refusal(403, f"{noun} is forbidden: {told}{where}")


def _rules(store: Store, subject: str, namespace: str) -> Iterator[Mapping[str, Any]]:
    home, _, account = subject.partition(":")
    for binding in store.all("rolebindings", namespace):
        for each in binding.get("subjects") or []:
            who = each["kind"], each["name"], each.get("namespace", namespace)
            if who == ("ServiceAccount", account, home):
                role = store.find("roles", namespace, binding["roleRef"]["name"])
                yield from (role or {}).get("rules") or []


Webhook = Callable[[Kind, Object], str | None]
"""Says why not."""


@dataclass
class Admission:
    store: Store
    webhooks: list[Webhook] = field(default_factory=list)

    def admit(self, kind: Kind, body: Object, *, new: bool) -> None:
        """Raises Refusal."""
        for each in self.webhooks:
            denied = each(kind, body)
            if denied is not None:
                told = f'admission webhook "policy.tests.example" denied the request: {denied}'
                raise Refusal(403, told)
        if not new:
            return
        if kind.plural == "pods":
            self._check_security(body)
        self._check_quota(kind, body)

    def _check_security(self, pod: Object) -> None:
        namespace = pod["metadata"]["namespace"]
        about = self.store.find("namespaces", "", namespace) or {"metadata": {}}
        level = (about["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce")
        if level != "restricted":
            return
        found = list(_insecure(pod["spec"]))
        if found:
            name = pod["metadata"]["name"]
            told = f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": '
            raise Refusal(403, told + ", ".join(found))

    def _check_quota(self, kind: Kind, body: Object) -> None:
        namespace = body["metadata"].get("namespace", "")
        for quota in self.store.all("resourcequotas", namespace):
            hard = (quota.get("spec") or {}).get("hard") or {}
            asked = _charges(kind, body)
            used: dict[str, float] = {}
            for each in self.store.all(kind.plural, namespace):
                if each["metadata"].get("deletionTimestamp"):
                    continue
                for name, amount in _charges(kind, each).items():
                    used[name] = used.get(name, 0) + amount
            over = [n for n in hard if asked.get(n, 0) + used.get(n, 0) > amount_of(hard[n])]
            over = [name for name in over if asked.get(name)]
            if over:
                parts = (
                    ",".join(f"{name}={value:g}" for name, value in each)
                    for each in (
                        [(n, asked[n]) for n in over],
                        [(n, used.get(n, 0)) for n in over],
                        [(n, amount_of(hard[n])) for n in over],
                    )
                )
                more, there, most = parts
                name, title = body["metadata"]["name"], quota["metadata"]["name"]
                raise Refusal(
                    403,
                    f'{kind.plural} "{name}" is forbidden: exceeded quota: {title}, requested: '
                    f"{more}, used: {there}, limited: {most}",
                )


def _charges(kind: Kind, body: Object) -> Mapping[str, float]:
    found: dict[str, float] = {f"count/{kind.plural}": 1, kind.plural: 1}
    if kind.plural == "pods":
        for container in body["spec"]["containers"]:
            resources = container.get("resources") or {}
            for part in ("requests", "limits"):
                for name, amount in (resources.get(part) or {}).items():
                    key = f"{part}.{name}"
                    found[key] = found.get(key, 0) + amount_of(amount)
    return found


def amount_of(quantity: object) -> float:
    text = str(quantity)
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    unit = next((each for each in _UNITS if text.endswith(each)), "")
    return float(text.removesuffix(unit)) * _UNITS.get(unit, 1)


def _insecure(spec: Mapping[str, Any]) -> Iterator[str]:
    """What the restricted standard has against a pod."""
    of_pod = spec.get("securityContext") or {}
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(flag):
            yield f"host namespaces ({flag}=true)"
    for each in spec.get("volumes") or []:
        if "hostPath" in each:
            yield f'restricted volume types (volume "{each["name"]}" uses hostPath)'
    for each in [*(spec.get("initContainers") or []), *spec["containers"]]:
        own, name = each.get("securityContext") or {}, each["name"]
        merged = {**of_pod, **own}
        capabilities = own.get("capabilities") or {}
        if own.get("allowPrivilegeEscalation") is not False:
            yield f'allowPrivilegeEscalation != false (container "{name}")'
        if "ALL" not in (capabilities.get("drop") or []):
            yield f'unrestricted capabilities (container "{name}" must drop ALL)'
        if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield f'unrestricted capabilities (container "{name}" adds some)'
        if not merged.get("runAsNonRoot") or merged.get("runAsUser") == 0:
            yield f'runAsNonRoot != true (container "{name}")'
        if (merged.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f'seccompProfile (container "{name}")'
        if own.get("privileged"):
            yield f'privileged (container "{name}")'
