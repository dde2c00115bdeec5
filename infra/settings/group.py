"""Settings that belong together."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

PREFIX = "ML_ENDPOINTS_"


class SettingsGroup(BaseModel):
    """A field's alias is the setting's name in the environment, and its docstring says what it
    means; `python -m infra.settings` writes docs/settings.md from both."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )

    @classmethod
    def environment_names(cls) -> dict[str, str]:
        """By field: the name by which each is set."""
        return {field: info.alias or field for field, info in cls.model_fields.items()}

    @classmethod
    def environment_name(cls, field: str) -> str:
        return cls.environment_names()[field]

    @classmethod
    def among(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `given`, by environment name, that are of this group."""
        return {name: given[name] for name in cls.environment_names().values() if name in given}
