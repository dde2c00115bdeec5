"""Which variables of the host's environment the build of a model's environment sees.

A build runs code of packages, which reads what it is given: what may open something is left out,
unless whoever runs the installation names it.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

_KINDS: Final = ("UV_", "PIP_", "NETRC")
_PLACES: Final = frozenset(
    {
        *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    }
)
"""URLs, which are handed on as long as none has a user in it."""
_HARMLESS: Final = frozenset(
    {
        *("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CONFIG_DIRS"),
        *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_OFFLINE", "UV_NATIVE_TLS"),
        *("UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_REQUEST_TIMEOUT"),
        *("UV_CONCURRENT_BUILDS", "UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS"),
        *("UV_COMPILE_BYTECODE", "UV_CONFIG_FILE", "UV_NO_CONFIG", "UV_INDEX_STRATEGY"),
        *("UV_INSECURE_HOST", "UV_NO_BUILD", "UV_NO_BINARY", "UV_NO_BUILD_ISOLATION"),
        *("UV_PRERELEASE", "UV_RESOLUTION", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND"),
        *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_PYTHON_INSTALL_DIR"),
        *("UV_PYTHON_PREFERENCE", "UV_PYTHON_DOWNLOADS", "PIP_CERT", "PIP_CONFIG_FILE"),
        *("PIP_DEFAULT_TIMEOUT", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR"),
    }
)
_NOT_THE_MODELS: Final = frozenset({"UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_SYSTEM_PYTHON"})
"""Of a project, or of the host's own Python."""
_USER: Final = re.compile(r"//[^/\s,]*@")


def handed_on(environment: Mapping[str, str], allowed: Collection[str]) -> dict[str, str]:
    """What of `environment` a build sees; `allowed` names what it sees whatever that holds."""
    return {
        name: value
        for name, value in environment.items()
        if name in _HARMLESS or name in allowed or (name in _PLACES and not _USER.search(value))
    }


def withheld(environment: Mapping[str, str], allowed: Collection[str]) -> list[str]:
    """The names of what was set for uv or pip and is not handed on."""
    seen = handed_on(environment, allowed).keys() | _NOT_THE_MODELS
    return sorted(name for name in environment if name.startswith(_KINDS) and name not in seen)
