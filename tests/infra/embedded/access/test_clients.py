"""Clients of the embedded token issuer."""

import json
import stat
from pathlib import Path

import pytest

from domain.errors import Conflict, Invalid, NotFound
from infra.embedded.access.clients import ClientRegistry
from infra.embedded.command import main


def test_a_client_is_known_by_its_id_and_secret_only(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path / "secrets")
    made = registry.add("reports", "reader")
    other = registry.add("deploys", "contributor")
    client = registry.authenticate(made.client_id, made.client_secret)
    assert client is not None
    assert (client.name, client.role) == ("reports", "reader")
    assert registry.authenticate(made.client_id, other.client_secret) is None
    assert registry.authenticate(made.client_id, "") is None
    assert registry.authenticate("", made.client_secret) is None
    assert registry.authenticate("\udcff", "é") is None


def test_secrets_are_kept_as_hashes_in_a_private_file(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    made = registry.add("reports", "reader")
    file = tmp_path / "clients.json"
    assert made.client_secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_removed_client_is_refused(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    made = registry.add("reports", "reader")
    registry.remove("reports")
    assert registry.authenticate(made.client_id, made.client_secret) is None
    with pytest.raises(NotFound):
        registry.remove("reports")


def test_names_are_unique_and_roles_known(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    registry.add("reports", "reader")
    with pytest.raises(Conflict):
        registry.add("reports", "owner")
    with pytest.raises(Invalid):
        registry.add("other", "king")
    with pytest.raises(Invalid):
        registry.add("../up", "reader")
    assert [client.name for client in registry.list()] == ["reports"]


def test_the_connection_client_is_an_owner_and_stays_the_same(tmp_path: Path) -> None:
    first = ClientRegistry(tmp_path).connection_client()
    registry = ClientRegistry(tmp_path)
    assert registry.connection_client() == first
    client = registry.authenticate(first.client_id, first.client_secret)
    assert client is not None
    assert client.role == "owner"


def test_a_removed_connection_client_is_replaced(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    first = registry.connection_client()
    registry.add("chief", "owner")
    registry.remove("owner")
    second = registry.connection_client()
    assert second != first
    assert [(c.name, c.role) for c in registry.list()] == [("chief", "owner"), ("owner", "owner")]


def test_the_last_owner_stays_one(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    registry.add("owner", "owner")
    registry.add("iris", "owner/onlineEndpoints/iris")
    with pytest.raises(Conflict) as refused:
        registry.remove("owner")
    assert refused.value.code == "LastOwner"
    for role in ("contributor", "owner/onlineEndpoints/iris"):
        with pytest.raises(Conflict):
            registry.change_role("owner", role)
    registry.change_role("owner", "reader, owner")
    registry.change_role("iris", "owner")
    registry.remove("owner")
    assert [client.name for client in registry.list()] == ["iris"]


def test_a_renewed_secret_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    made, connection = registry.add("ci", "reader"), registry.connection_client()
    renewed = registry.renew("ci")
    assert renewed.client_id == made.client_id
    assert registry.authenticate(made.client_id, made.client_secret) is None
    assert registry.authenticate(renewed.client_id, renewed.client_secret) is not None
    assert registry.renew("owner") == registry.connection_client() != connection


def test_a_file_of_clients_is_as_the_version_before_reads_it(tmp_path: Path) -> None:
    registry = ClientRegistry(tmp_path)
    registry.add("ci", "reader")
    registry.change_role("ci", "scorer/onlineEndpoints/iris")
    registry.renew("ci")
    [client] = json.loads(registry.file.read_text())["clients"]
    assert set(client) == {"client_id", "name", "role", "secret_hash", "created_at"}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "clients.json").write_text("{")
    with pytest.raises(Invalid, match=r"clients\.json"):
        ClientRegistry(tmp_path).list()


def test_the_command_line_does_what_the_api_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = ClientRegistry(tmp_path / "secrets")
    registry.add("owner", "owner")

    def command(*words: str) -> tuple[int, str]:
        code = main(["clients", *words, "--data-dir", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out or said.err

    code, said = command("add", "ci", "--role", "reader")
    words = said.split()
    made = dict(zip(words[::2], words[1::2], strict=True))
    assert (code, set(made)) == (0, {"client_id", "client_secret"})
    assert command("role", "ci", "contributor, scorer/onlineEndpoints/iris") == (0, "")
    code, said = command("secret", "ci")
    assert (code, made["client_id"] in said, made["client_secret"] in said) == (0, True, False)
    assert command("role", "ci", "king")[0] == 2
    assert command("secret", "nobody") == (2, "there is no client `nobody`\n")
    code, said = command("remove", "owner")
    assert (code, "last owner" in said) == (2, True)
    assert command("remove", "ci") == (0, "")
    assert [client.name for client in registry.list()] == ["owner"]
