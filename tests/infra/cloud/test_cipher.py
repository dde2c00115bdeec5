"""Secrets at rest under a key from the settings."""

import pytest

from domain import errors
from infra.cloud.cipher import SettingCipher

OLD = "old-" * 10
NEW = "new-" * 10


def test_what_is_sealed_can_be_opened_by_the_same_key_alone() -> None:
    sealed = SettingCipher(OLD).encrypt("Schlüssel")
    assert "Schlüssel" not in sealed
    assert SettingCipher(OLD).decrypt(sealed) == "Schlüssel"
    with pytest.raises(errors.Invalid):
        SettingCipher(NEW).decrypt(sealed)


def test_a_new_key_in_front_seals_and_the_old_one_still_opens() -> None:
    both = SettingCipher(f"{NEW},{OLD}")
    assert both.decrypt(SettingCipher(OLD).encrypt("x")) == "x"
    assert SettingCipher(NEW).decrypt(both.encrypt("x")) == "x"


@pytest.mark.parametrize("foreign", ["", "x", "é", "gAAAAA=="])
def test_what_was_never_sealed_is_refused(foreign: str) -> None:
    with pytest.raises(errors.Invalid):
        SettingCipher(OLD).decrypt(foreign)
