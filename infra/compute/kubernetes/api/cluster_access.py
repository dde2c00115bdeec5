"""How the API server of a cluster is reached: as a kubeconfig says, or a pod of the cluster."""

import base64
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import yaml

from infra.compute.kubernetes.api.cluster_credentials import (
    Credentials,
    FixedToken,
    HelpedToken,
    Nothing,
    TokenFile,
)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessFault(Exception):
    """Says what is wrong with what was told, in one sentence."""


@dataclass(frozen=True)
class ClusterAccess:
    """`server` is a URL without a slash at its end. `namespace` is the one that is meant where none
    is named. `tls` is None for plain HTTP. `inside`: this is a pod of the cluster."""

    server: str
    namespace: str
    tls: ssl.SSLContext | None = field(repr=False)
    credentials: Credentials = field(repr=False)
    inside: bool = False


def cluster_access(
    kubeconfig: Path | None,
    context: str | None,
    environment: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterAccess:
    """By `kubeconfig`; else as a pod, where this is one; else by what kubectl would take:
    KUBECONFIG (its first file that is there) or `~/.kube/config`. Raises AccessFault."""
    if kubeconfig is not None:
        return _by_file(kubeconfig, context)
    if "KUBERNETES_SERVICE_HOST" in environment and (service_account / "token").exists():
        return _as_pod(environment, service_account)
    usual = environment.get("KUBECONFIG") or os.path.join(
        environment.get("HOME") or "~", ".kube", "config"
    )
    there = [Path(each).expanduser() for each in usual.split(os.pathsep) if each]
    found = next((each for each in there if each.is_file()), None)
    if found is None:
        raise AccessFault(
            "There is no cluster: this is no pod, and there is no kubeconfig at "
            f"{' or '.join(map(str, there))}. Set ML_ENDPOINTS_KUBERNETES_CONFIG."
        )
    return _by_file(found, context)


def _as_pod(environment: Mapping[str, str], folder: Path) -> ClusterAccess:
    host = environment["KUBERNETES_SERVICE_HOST"]
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    name = f"[{host}]" if ":" in host else host
    try:
        namespace = (folder / "namespace").read_text().strip()
        tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    except OSError as error:
        raise AccessFault(f"The pod's service account cannot be read: {error}.") from None
    token = TokenFile(folder / "token")
    return ClusterAccess(f"https://{name}:{port}", namespace, tls, token, inside=True)


def _by_file(path: Path, context: str | None) -> ClusterAccess:
    try:
        said = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise AccessFault(f"The kubeconfig {path} cannot be read: {error}.") from None
    if not isinstance(said, dict):
        raise AccessFault(f"The kubeconfig {path} is none.")
    name = context or said.get("current-context")
    if not name:
        raise AccessFault(f"The kubeconfig {path} has no current-context; name one.")
    try:
        chosen = _entry(said, "contexts", name, "context")
        cluster = _entry(said, "clusters", chosen.get("cluster"), "cluster")
        user = _entry(said, "users", chosen["user"], "user") if chosen.get("user") else {}
        server = str(cluster["server"]).rstrip("/")
        tls = _tls(path.parent, cluster, user) if server.startswith("https://") else None
        credentials = _credentials(path.parent, user)
    except (KeyError, TypeError, ValueError, OSError) as error:
        told = f"{error!r}" if isinstance(error, KeyError) else str(error)
        raise AccessFault(f"The kubeconfig {path} is not right for '{name}': {told}.") from None
    return ClusterAccess(server, str(chosen.get("namespace") or "default"), tls, credentials)


def _entry(said: Mapping[str, Any], kind: str, name: Any, field: str) -> Mapping[str, Any]:
    found = [each for each in said.get(kind) or [] if each.get("name") == name]
    if not found:
        names = ", ".join(str(each.get("name")) for each in said.get(kind) or []) or "none"
        raise ValueError(f"no {field} is named '{name}'; there are {names}")
    return dict(found[0].get(field) or {})


def _tls(folder: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _content(folder, cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate = _content(folder, user, "client-certificate")
    key = _content(folder, user, "client-key")
    if certificate and key:
        # OpenSSL reads these from files alone; 0600, and gone at once.
        with NamedTemporaryFile() as first, NamedTemporaryFile() as second:
            for file, content in ((first, certificate), (second, key)):
                file.write(content)
                file.flush()
            tls.load_cert_chain(first.name, second.name)
    return tls


def _content(folder: Path, said: Mapping[str, Any], name: str) -> bytes | None:
    if data := said.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / said[name]).read_bytes() if said.get(name) else None


def _credentials(folder: Path, user: Mapping[str, Any]) -> Credentials:
    if user.get("tokenFile"):
        return TokenFile(folder / user["tokenFile"])
    if user.get("token"):
        return FixedToken(str(user["token"]))
    if helper := user.get("exec"):
        words: Sequence[str] = [str(helper["command"]), *map(str, helper.get("args") or [])]
        told = {each["name"]: each["value"] for each in helper.get("env") or []}
        return HelpedToken(words, told, str(helper["apiVersion"]))
    if user.get("username") or user.get("auth-provider"):
        raise ValueError("a user with a password or an auth-provider is not known any more")
    return Nothing()
