"""Names of images."""

import pytest

from domain.assets.images.image_name import ImageName
from domain.errors import Invalid

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("python", ImageName("docker.io", "library/python")),
        ("python:3.11-slim", ImageName("docker.io", "library/python", "3.11-slim")),
        ("user/image:1", ImageName("docker.io", "user/image", "1")),
        ("docker.io/user/image", ImageName("docker.io", "user/image")),
        ("localhost/image", ImageName("localhost", "image")),
        ("127.0.0.1:5000/a/b:x", ImageName("127.0.0.1:5000", "a/b", "x")),
        (
            f"mine.azurecr.io/a__b/c-d@{DIGEST}",
            ImageName("mine.azurecr.io", "a__b/c-d", None, DIGEST),
        ),
        (f"mine.azurecr.io/a:1@{DIGEST}", ImageName("mine.azurecr.io", "a", "1", DIGEST)),
        (DIGEST, ImageName("", "", None, DIGEST)),
    ],
)
def test_a_name_is_read_as_engines_read_it(text: str, meant: ImageName) -> None:
    assert ImageName.parse(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Image",
        "a b",
        "a\nRUN x",
        "../a",
        "a/../b",
        "a:",
        "a@sha256:12",
        "https://a/b",
        "-a",
        "a//b",
        "x" * 600,
        "{{ACR_NAME}}.azurecr.io/x",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not the name of an image"):
        ImageName.parse(text)


def test_a_pinned_name_has_its_digest_and_no_tag() -> None:
    assert ImageName.parse("a/b:1").at(DIGEST) == f"docker.io/a/b@{DIGEST}"
    assert ImageName.parse(DIGEST).at(DIGEST) == DIGEST
    assert ImageName.parse("python").reference == "latest"
    assert ImageName.parse(f"python:3@{DIGEST}").reference == DIGEST
