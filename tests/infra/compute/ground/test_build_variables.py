"""What a build sees of the host's environment."""

from pathlib import Path

import pytest

from infra.compute.ground.build_variables import handed_on, withheld
from infra.compute.ground.process_environment import for_build, for_instance

HOSTS = {
    "PATH": "/bin",
    "ML_ENDPOINTS_CIPHER_KEY": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "CC": "clang",
    "CC_API_TOKEN": "secret",
    "UV_CACHE_DIR": "/cache",
    "UV_PYTHON": "3.13",
    "UV_INDEX_TEAM_PASSWORD": "secret",
    "UV_PUBLISH_TOKEN": "secret",
    "UV_INDEX_URL": "https://mirror.example/simple",
    "UV_EXTRA_INDEX_URL": "https://a.example https://user:secret@b.example/simple",
    "PIP_CERT": "/ca.pem",
    "PIP_INDEX_URL": "https://token@mirror.example/simple",
    "PIP_FIND_LINKS": "/wheels",
    "NETRC": "/home/user/secret",
}


def test_a_build_sees_what_opens_nothing() -> None:
    seen = handed_on(HOSTS, ())
    assert sorted(seen) == [
        "CC",
        "PIP_CERT",
        "PIP_FIND_LINKS",
        "UV_CACHE_DIR",
        "UV_INDEX_URL",
    ]


def test_what_is_left_out_is_said_by_name() -> None:
    assert withheld(HOSTS, ()) == [
        "NETRC",
        "PIP_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "UV_INDEX_TEAM_PASSWORD",
        "UV_PUBLISH_TOKEN",
    ]


def test_what_a_setting_names_is_for_builds_and_never_for_scripts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in HOSTS.items():
        monkeypatch.setenv(name, value)
    named = ("NETRC", "UV_INDEX_TEAM_PASSWORD")
    assert {"NETRC", "UV_INDEX_TEAM_PASSWORD"} <= for_build(named).keys()
    assert "UV_PUBLISH_TOKEN" not in for_build(named)
    assert not [
        name
        for name, value in for_instance(tmp_path, 1, {}, {}).items()
        if "secret" in value or name.startswith(("UV_", "PIP_"))
    ]
