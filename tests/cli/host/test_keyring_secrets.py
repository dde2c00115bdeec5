"""Clients' secrets in the operating system's keyring: one that holds them for a test's time."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from cli.failures import SignInNeeded
from cli.host import keyring_secrets
from tests.kit.users.held_keyring import HeldKeyring

CLIENT = ("me", "https://host.example/token")


@pytest.fixture
def held() -> Iterator[HeldKeyring]:
    with HeldKeyring() as held:
        yield held


def test_a_secret_is_kept_found_and_forgotten(held: HeldKeyring) -> None:
    assert keyring_secrets.keep(*CLIENT, "s3cret") == "the test's"
    assert keyring_secrets.keep("other", CLIENT[1], "another") == "the test's"
    assert keyring_secrets.secret_of(*CLIENT) == "s3cret"
    keyring_secrets.forget(*CLIENT)
    keyring_secrets.forget(*CLIENT)
    assert list(held.held.values()) == ["another"]
    with pytest.raises(SignInNeeded, match="no secret of me any more"):
        keyring_secrets.secret_of(*CLIENT)


def test_where_no_keyring_can_have_it_it_is_kept_otherwise(held: HeldKeyring) -> None:
    held.locked = True
    assert keyring_secrets.keep(*CLIENT, "s3cret") == ""
    with pytest.raises(SignInNeeded, match="can't be opened: it is locked"):
        keyring_secrets.secret_of(*CLIENT)
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    assert keyring_secrets.keep(*CLIENT, "s3cret") == ""
