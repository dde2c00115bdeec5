"""How the callers of an endpoint say who they are."""

from enum import StrEnum


class AuthMode(StrEnum):
    KEY = "Key"
    AML_TOKEN = "AMLToken"
    AAD_TOKEN = "AADToken"

    @classmethod
    def _missing_(cls, value: object) -> "AuthMode | None":
        """The YAML spellings (`key`, `aml_token`) and any case."""
        text = str(value).casefold().replace("_", "")
        return next((mode for mode in cls if mode.value.casefold() == text), None)
