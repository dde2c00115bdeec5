"""An installation with names, a certificate, a proxy and a package index of its own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from cryptography import x509

from examples.client import CallFailed
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.certificates.authority import OwnAuthority
from tests.kit.packages.index import PASSWORD, USER, PackageIndex
from tests.kit.packages.index import serving as serving_packages
from tests.kit.waiting import PATIENCE, until

DOMAIN = "ml.example"
CONDA = """
name: private
dependencies:
  - python=3.11
  - pip:
    - --extra-index-url {url}
    - acme==1.0
"""
SCRIPT = "import acme\ndef init(): pass\ndef run(data): return acme.answer\n"


class Files:
    """The installation's certificate, and who signs it."""

    def __init__(self, folder: Path) -> None:
        self.authority = OwnAuthority()
        self.certificate, self.key = folder / "own.pem", folder / "own.key"
        self.serial = 0

    def renew(self) -> bytes:
        """Another key, and the half of its certificate; what is to be written there at last."""
        beside = self.certificate.with_name("new.pem"), self.key.with_name("new.key")
        self.serial = self.authority.sign(*beside, DOMAIN, f"*.{DOMAIN}")
        renewed = beside[0].read_bytes()
        self.certificate.write_bytes(renewed[:100])
        self.key.write_bytes(beside[1].read_bytes())
        return renewed


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    files = Files(tmp_path_factory.mktemp("certificate"))
    files.certificate.write_bytes(files.renew())
    return files


@pytest.fixture(scope="module")
def index() -> Iterator[PackageIndex]:
    with serving_packages() as index:
        index.add_wheel("acme", "1.0", "answer = 42\n")
        yield index


@pytest.fixture(scope="module")
def host(
    fleet: Fleet, files: Files, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    settings = {
        "ML_ENDPOINTS_TLS_CERTIFICATE": str(files.certificate),
        "ML_ENDPOINTS_TLS_KEY": str(files.key),
        "ML_ENDPOINTS_SCORING_DOMAIN": f"{DOMAIN}:443",
        "ML_ENDPOINTS_TRUSTED_PROXIES": "127.0.0.1/32",
        "ML_ENDPOINTS_PRIVATE_NETWORKS": "127.0.0.1/32",
        "NO_PROXY": "127.0.0.1",
    }
    with fleet.hosting(tmp_path_factory.mktemp("host") / "data", environment=settings) as host:
        yield host
        assert not host.faults()


class Caller:
    """Calls `https://{name}/...`, wherever that leads, and trusts the test's authority alone."""

    def __init__(self, host: RunningHost, files: Files, name: str) -> None:
        self._client = httpx.Client(
            base_url=f"https://127.0.0.1:{urlsplit(host.url).port}",
            verify=files.authority.trusting,
            headers={"host": name},
            timeout=PATIENCE,
        )
        self._name = {"sni_hostname": name}

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        with self._client as client:
            return client.post(path, json=body, headers=headers, extensions=self._name)

    def certificate(self) -> int:
        """The serial number of the one that it is shown."""
        with self._client as client, client.stream("GET", "/healthz", extensions=self._name) as got:
            shown = got.extensions["network_stream"].get_extra_info("ssl_object")
            return x509.load_der_x509_certificate(shown.getpeercert(True)).serial_number


@pytest.mark.only_processes("an image built by an engine would keep the index's password")
def test_a_model_with_private_packages_is_scored_at_a_name_of_its_own(
    host: RunningHost, files: Files, index: PackageIndex
) -> None:
    call = host.workspace.call
    conda = CONDA.format(url=index.url)
    with pytest.raises(CallFailed, match=r"connection of category PythonFeed") as refused:
        serving.environment(host, "open", conda.replace("//", f"//{USER}:s3cr3t-one@"))
    assert "s3cr3t-one" not in str(refused.value)
    credentials = {"username": USER, "password": PASSWORD}
    feed = {
        "category": "PythonFeed",
        "target": f"http://{index.host}",
        "authType": "UsernamePassword",
        "credentials": credentials,
    }
    made = call("PUT", "connections/feed", {"properties": feed})
    environment = serving.environment(host, "private", conda)
    serving.endpoint(host, "iris")
    code = serving.codes(host, "private", {"score.py": SCRIPT})
    serving.deploy(host, "iris/blue", code, environmentId=environment)
    serving.traffic(host, "iris", blue=100)

    shown = host.workspace.get("onlineEndpoints/iris")["properties"]
    assert shown["scoringUri"] == f"https://iris.{DOMAIN}:443/score"
    assert shown["swaggerUri"] == f"https://iris.{DOMAIN}:443/swagger.json"
    key = {"authorization": f"Bearer {serving.key(host, 'iris')}"}
    scored = Caller(host, files, f"iris.{DOMAIN}").post("/score", {}, **key)
    assert (scored.status_code, scored.json()) == (200, 42)
    assert Caller(host, files, f"other.{DOMAIN}").post("/score", {}, **key).status_code == 404

    asked = {"containerType": "StorageInitializer"}
    log = call("POST", "onlineEndpoints/iris/deployments/blue/getLogs", asked).json()["content"]
    assert f"Index {index.url}, with credentials" in log
    for form in (PASSWORD, quote(PASSWORD, safe="")):
        assert form not in made.text + log + host.log() + host.output.read_text()
        for file in host.files():
            # It goes on: a draft may have gone meanwhile.
            with contextlib.suppress(OSError):
                assert form.encode() not in file.read_bytes(), file


def test_a_proxy_says_where_its_callers_asked_and_who_they_are(host: RunningHost) -> None:
    forwarded = {
        "x-forwarded-for": "198.51.100.7, 203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": DOMAIN,
    }
    with host.client() as client:
        assert client.get("/discovery", headers=forwarded).json() == {"api": f"https://{DOMAIN}"}
        assert client.get("/discovery").json() == {"api": host.url}
        wrong = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}
        reply = client.post("/oauth2/v2.0/token", data=wrong, headers=forwarded)
        assert reply.status_code == 401
        path = f"{host.workspace.connection['workspace']}/connections/none"
        client.delete(path, headers={**forwarded, **host.bearer()})
    acts = host.workspace.get("providers/Microsoft.Insights/eventtypes/management/values")["value"]
    seen = {
        act["httpRequest"]["clientIpAddress"] for act in acts if act["resourceId"].endswith("/none")
    }
    assert seen == {"203.0.113.9"}


def test_a_certificate_that_was_renewed_is_shown_without_a_restart(
    host: RunningHost, files: Files
) -> None:
    def shown() -> int:
        return Caller(host, files, f"iris.{DOMAIN}").certificate()

    first = files.serial
    assert shown() == first
    renewed = files.renew()
    until(lambda: host.story(action="certificate_refused"), "the half-written one is refused")
    assert shown() == first
    files.certificate.write_bytes(renewed)
    until(lambda: shown() == files.serial, "the new certificate is shown")
    with host.client() as client:  # it trusts the host's own authority, as its machine's programs
        assert client.get("/healthz").status_code == 200
