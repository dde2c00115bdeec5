"""Environments whose packages come from a private index."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

import pytest

from domain.assets.packages.connection import ConnectionCredentials, ConnectionProperties
from domain.assets.packages.connections import Connections
from domain.assets.packages.index_credentials import ConnectionsCredentials
from domain.ground.resource import Conditions, Wanted
from domain.ports import NO_INDEXES, EnvironmentSpec, PackageIndexes
from infra.clock import SystemClock
from infra.compute.ground.failure import StartFailure
from infra.compute.package_sources import PackageSources
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.settings.packages import PackageSettings
from infra.web.outbound import OutboundAddresses
from tests.infra.compute.conftest import opened
from tests.kit.packages.index import PASSWORD, USER, PackageIndex, serving
from tests.kit.packages.usual import PRESENT, USUAL_PACKAGES, NoCredentials

LOOPBACK = OutboundAddresses([ip_network("127.0.0.0/8")])
SPY = """
import os, zipfile
def everything():
    pid = os.getpid()
    while pid > 1:
        try:
            for what in ("environ", "cmdline"):
                yield open(f"/proc/{pid}/{what}", "rb").read()
            pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        except OSError:
            break
    for number in os.listdir("/proc/self/fd"):
        try:
            os.set_blocking(int(number), False)
            yield os.read(int(number), 1 << 20) or b""
        except OSError:
            pass
def build_wheel(folder, *_):
    with open(REPORT, "wb") as report:
        report.writelines(everything())
    name = "spy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("spy.py", "seen = True")
        info = "spy-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: spy\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                       "Tag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for cache in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(cache, str(tmp_path / "cache"))
    with serving() as index:
        index.add_wheel("acme", "1.0", "answer = 42\n")
        yield index


def spec_of(indexes: PackageIndexes, *requirements: str) -> EnvironmentSpec:
    return EnvironmentSpec("3.11", requirements, indexes)


def traces(folder: Path) -> list[Path]:
    """Files below `folder` that have the password in them, in any form."""
    forms = [PASSWORD.encode(), quote(PASSWORD, safe="").encode(), PASSWORD[:8].encode()]
    return [
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and any(f in file.read_bytes() for f in forms)
    ]


async def test_a_connection_opens_the_index_that_an_environment_names(
    index: PackageIndex, tmp_path: Path
) -> None:
    """Beside that of the settings, which opens itself, and before it; and neither a file, nor the
    log, nor a package that is built there gets to see how."""
    index.add_source("spy", "1.0", f"REPORT = {str(tmp_path / 'report')!r}{SPY}")
    store, cipher = SqliteResourceStore(tmp_path / "d.db"), FernetCipher(tmp_path / "cipher.key")
    connection = ConnectionProperties(
        category="python_feed",
        target=f"http://{index.host}",
        auth_type="username_password",
        credentials=ConnectionCredentials(username=USER, password=PASSWORD),
    )
    await Connections(store, cipher, SystemClock(), "here").put(
        "feed", Wanted[ConnectionProperties](properties=connection), "an-owner", Conditions()
    )
    with serving() as mirror:
        mirror.add_wheel("acme", "9.0", "answer = 'somebody else's'\n")
        mirror.add_wheel("common", "1.0", "")
        secret = quote(PASSWORD, safe="")
        settings = PackageSettings.model_validate(
            {"ML_ENDPOINTS_PACKAGE_INDEX": f"http://{USER}:{secret}@{mirror.host}/simple/"}
        )
        assert PASSWORD[:6] not in repr(settings)
        packages = PackageSources.of(settings, ConnectionsCredentials(store, cipher), LOOPBACK)
        async with opened(tmp_path, packages=packages) as house:
            environments = house.compute.premises.environments
            spec = spec_of(PackageIndexes(None, (index.url,)), "acme", "spy==1.0", "common")
            made = await environments.ensure(spec)
            log = environments.log(spec).tail(100)
    for module in ("acme", "spy", "common"):
        assert list(made.glob(f"lib/*/site-packages/{module}.py")), module
    # A higher version in another index does not take a private package's place.
    assert list(made.glob("lib/*/site-packages/acme-1.0.dist-info"))
    assert log.index(f"Index {index.url}, with") < log.index(f"Index {mirror.url}, with")
    await store.close()
    assert b"\0--config-file\0/dev/fd/" in (tmp_path / "report").read_bytes()
    assert traces(tmp_path) == []


async def test_packages_are_those_of_a_date_where_an_environment_says_one(
    index: PackageIndex, tmp_path: Path
) -> None:
    index.add_wheel("acme", "2.0", "answer = 43\n")
    index.uploaded = {
        "acme-1.0-py3-none-any.whl": "2022-11-30T10:00:00Z",
        "acme-2.0-py3-none-any.whl": "2022-12-01T00:00:00Z",
    }
    secret = quote(PASSWORD, safe="")
    settings = PackageSettings.model_validate(
        {"ML_ENDPOINTS_PACKAGE_INDEX": f"http://{USER}:{secret}@{index.host}/simple/"}
    )
    packages = PackageSources.of(settings, NoCredentials(), LOOPBACK)
    async with opened(tmp_path, packages=packages) as house:
        environments = house.compute.premises.environments
        old = EnvironmentSpec("3.11", ("acme",), uploaded_before="2022-12-01")
        made = await environments.ensure(old)
        assert environments.key_of(old) != environments.key_of(spec_of(NO_INDEXES, "acme"))
    assert list(made.glob("lib/*/site-packages/acme-1.0.dist-info"))


async def test_without_one_the_build_fails_and_says_so(index: PackageIndex, tmp_path: Path) -> None:
    packages = PackageSources(NO_INDEXES, {}, "first-index", NoCredentials(), LOOPBACK, (), PRESENT)
    async with opened(tmp_path, packages=packages) as house:
        with pytest.raises(StartFailure, match="without credentials") as failed:
            await house.compute.premises.environments.ensure(
                spec_of(PackageIndexes(index.url), "acme==1.0")
            )
    assert index.url in str(failed.value)
    assert index.asked == []


async def test_an_index_in_the_machines_own_networks_is_not_asked(
    index: PackageIndex, tmp_path: Path
) -> None:
    async with opened(tmp_path, packages=USUAL_PACKAGES) as house:
        environments = house.compute.premises.environments
        for url, why in (
            (index.url, "by https only"),
            (f"https://{index.host}/simple", "ML_ENDPOINTS_PRIVATE_NETWORKS"),
            ("https://169.254.169.254/simple", "ML_ENDPOINTS_PRIVATE_NETWORKS"),
        ):
            spec = spec_of(PackageIndexes(None, (), (url,)), "acme")
            with pytest.raises(StartFailure, match=why):
                await environments.ensure(spec)


async def test_environments_differ_by_where_their_packages_come_from(tmp_path: Path) -> None:
    mirror = PackageIndexes("https://mirror.example/simple")
    private = PackageIndexes(None, ("https://private.example/simple",))

    async def keys(packages: PackageSources, folder: Path) -> list[str]:
        async with opened(folder, packages=packages) as house:
            key_of = house.compute.premises.environments.key_of
            return [key_of(spec_of(each, "acme")) for each in (NO_INDEXES, mirror, private)]

    plain = await keys(USUAL_PACKAGES, tmp_path / "a")
    mirrored = await keys(
        PackageSources(mirror, {}, "first-index", NoCredentials(), LOOPBACK, (), PRESENT),
        tmp_path / "b",
    )
    assert len(set(plain)) == 3
    # What the settings say is the same as what the environment says itself.
    assert mirrored[:2] == [plain[1]] * 2
    assert mirrored[2] not in plain
    # Environments that were built before there were indexes are found again.
    assert plain[0] == "52c2538e09a4d070cd02311458f028fa"


def test_an_environment_keeps_its_order_of_indexes_before_the_usual_ones() -> None:
    usual = PackageIndexes("https://mirror.example", ("https://b.example",))
    own = PackageIndexes(None, ("https://a.example", "https://b.example"))
    assert own.over(usual) == replace(
        usual, extra_index_urls=("https://a.example", "https://b.example")
    )
