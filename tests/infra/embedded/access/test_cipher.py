from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain import errors
from infra.clock import SystemClock
from infra.embedded.access.cipher import FernetCipher


def test_what_is_sealed_can_be_opened_by_the_same_key_alone(tmp_path: Path) -> None:
    cipher = FernetCipher(tmp_path / "secrets" / "cipher.key")
    sealed = cipher.encrypt("Schlüssel")
    assert "Schlüssel" not in sealed
    assert FernetCipher(tmp_path / "secrets" / "cipher.key").decrypt(sealed) == "Schlüssel"
    with pytest.raises(errors.Invalid):
        FernetCipher(tmp_path / "other.key").decrypt(sealed)


@pytest.mark.parametrize("foreign", ["", "x", "é", "gAAAAA=="])
def test_what_was_never_sealed_is_refused(tmp_path: Path, foreign: str) -> None:
    with pytest.raises(errors.Invalid):
        FernetCipher(tmp_path / "key").decrypt(foreign)


def test_the_key_is_its_owners_alone_and_no_draft_of_it_stays(tmp_path: Path) -> None:
    FernetCipher(tmp_path / "key").encrypt("x")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_of_racing_first_uses_all_share_one_key(tmp_path: Path) -> None:
    ciphers = [FernetCipher(tmp_path / "key") for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        sealed = list(pool.map(lambda cipher: cipher.encrypt("x"), ciphers))
    last = FernetCipher(tmp_path / "key")
    assert {last.decrypt(one) for one in sealed} == {"x"}


def test_a_damaged_key_file_is_told_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("damaged")
    with pytest.raises(errors.Unavailable):
        FernetCipher(tmp_path / "key").encrypt("x")
    assert (tmp_path / "key").read_text() == "damaged"


def test_the_clock_is_aware() -> None:
    offset = SystemClock().now().utcoffset()
    assert offset is not None
    assert not offset
