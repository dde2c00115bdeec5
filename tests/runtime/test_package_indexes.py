import os
import tomllib
from typing import Any

import pytest

from runtime.package_indexes import Secrets, read_credentials, take_over

URL = "https://index.example:8443/simple"
SECRET = "p/ss@w:rd"
QUOTED = "p%2Fss%40w%3Ard"


def indexes(default: str | None = None, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "index_url": default,
        "extra_index_urls": extra,
        "find_links": [],
        "strategy": "first-index",
    }


def test_uv_is_told_of_indexes_and_what_opens_them_by_a_pipe_that_is_read_once() -> None:
    told = Secrets({URL: ("robot", SECRET)}).configuration(indexes(URL, ("https://b.example",)))
    with open(told, "rb") as pipe:
        configuration = tomllib.load(pipe)
        assert pipe.read() == b""
    assert configuration == {
        "find-links": [],
        "index": [
            {"url": "https://b.example", "default": False},
            {"url": f"https://robot:{QUOTED}@index.example:8443/simple", "default": True},
        ],
    }


def test_a_pipe_holds_as_much_as_there_is_to_tell() -> None:
    urls = [f"https://{number}.example" for number in range(10)]
    secrets = Secrets(dict.fromkeys(urls, ("robot", "@" * 8000)))
    with open(secrets.configuration(indexes(None, tuple(urls))), "rb") as pipe:
        assert len(tomllib.load(pipe)["index"]) == 10


@pytest.mark.parametrize(
    "line",
    [
        f"error: 403 for https://robot:{QUOTED}@index.example/simple",
        f"password={SECRET}",
        "https://someone:else@other.example/",
        "https://token@other.example/",
    ],
)
def test_no_line_of_a_log_has_a_password(line: str) -> None:
    shown = Secrets({URL: ("robot", SECRET)}).scrubbed(line.encode()).decode()
    assert "****" in shown
    for secret in (QUOTED, SECRET, "else", "token"):
        assert secret not in shown


def test_a_token_in_the_users_place_is_one_too() -> None:
    assert Secrets({URL: ("t0ken", "")}).scrubbed(b"t0ken!") == b"****!"
    assert Secrets({URL: ("robot", SECRET)}).scrubbed(b"robot") == b"robot"


def test_an_environments_own_index_goes_before_that_of_the_host() -> None:
    hosts = {"UV_DEFAULT_INDEX": "a", "UV_INDEX_URL": "b", "UV_INDEX": "c", "PATH": "/bin"}
    environment = dict(hosts)
    strategy = {"UV_INDEX_STRATEGY": "first-index"}
    take_over(environment, indexes(None, (URL,)))
    assert environment == hosts | strategy
    environment |= {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_CONFIG": "1"}
    take_over(environment, indexes(URL))
    assert environment == {"UV_INDEX": "c", "PATH": "/bin"} | strategy


@pytest.mark.parametrize(
    ("given", "read"),
    [(b'{"u": ["a", "b"]}\nrest', {"u": ("a", "b")}), (b"{}\nrest", {}), (b"\nrest", {})],
)
def test_of_the_lifeline_the_first_line_is_read_and_no_more(
    given: bytes, read: dict[str, tuple[str, str]]
) -> None:
    reading, writing = os.pipe()
    os.write(writing, given)
    os.close(writing)
    assert read_credentials(reading) == read
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"rest"
