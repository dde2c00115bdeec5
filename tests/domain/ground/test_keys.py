from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ground.keys import KeyType, SealedKeys, digest, key_fault, matches, new_key
from domain.ports import Cipher
from infra.embedded.access.cipher import FernetCipher

KEY = "a-key-of-a-caller's-own"


@pytest.fixture
def cipher(tmp_path: Path) -> Cipher:
    return FernetCipher(tmp_path / "cipher.key")


def test_generated_keys_differ_and_are_sealed(cipher: Cipher) -> None:
    sealed = SealedKeys.generate(cipher)
    keys = sealed.open(cipher)
    assert keys.primary_key != keys.secondary_key
    assert key_fault(keys.primary_key) is None
    document = str(sealed.to_document())
    assert keys.primary_key not in document
    assert keys.secondary_key not in document


def test_given_keys_are_kept(cipher: Cipher) -> None:
    keys = SealedKeys.generate(cipher, primary=KEY).open(cipher)
    assert keys.primary_key == KEY
    assert keys.secondary_key != KEY


@pytest.mark.parametrize("which", list(KeyType))
def test_regenerating_one_key_leaves_the_other(cipher: Cipher, which: KeyType) -> None:
    before = SealedKeys.generate(cipher)
    after = before.regenerated(which, cipher)
    changed, kept = (
        ("primary", "secondary") if which is KeyType.PRIMARY else ("secondary", "primary")
    )
    assert getattr(after, changed) != getattr(before, changed)
    assert getattr(after, kept) == getattr(before, kept)


def test_a_key_matches_only_itself() -> None:
    known = (digest(b"one"), digest(b"two"))
    assert matches(b"one", known)
    assert matches(b"two", known)
    assert not matches(b"three", known)
    assert not matches(b"", known)
    assert not matches(b"one", ())


@pytest.mark.parametrize("spelling", ["Primary", "primary", "PRIMARY"])
def test_a_key_type_is_read_in_any_case(spelling: str) -> None:
    assert KeyType(spelling) is KeyType.PRIMARY


@pytest.mark.parametrize(
    "key", ["x" * 16, "x" * 256, pytest.param(new_key(), id="random"), "!#$%&'()*+,-./:;<=>?@"]
)
def test_what_an_authorization_header_can_carry_may_be_a_key(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(
    "key", ["", "x" * 15, "x" * 257, "x" * 16 + " ", "x" * 16 + "\n", "ключ" * 5, "x\r\nA: b" * 5]
)
def test_what_no_header_can_carry_may_not_be_a_key(key: str) -> None:
    assert key_fault(key)


def test_another_installation_cannot_open_a_key(cipher: Cipher, tmp_path: Path) -> None:
    sealed = SealedKeys.generate(cipher)
    with pytest.raises(Invalid, match="not sealed with this installation's key"):
        sealed.open(FernetCipher(tmp_path / "other.key"))
