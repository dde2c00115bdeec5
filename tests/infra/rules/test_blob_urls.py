import pytest

from infra.rules.blob_urls import located, plain

BASE = "https://10.0.0.1:7444/blobs"


@pytest.mark.parametrize("name", ["a.csv", "in/deep/a b+c%.csv", "Übung #1?.csv"])
def test_what_plain_makes_is_found_again_whatever_its_query(name: str) -> None:
    url = plain(BASE, "box", name)
    for behind in ("", "?sv=1&sig=a%2Fb%3D", "#x", "?a=/../x#y?z"):
        assert located(BASE, url + behind) == ("box", name)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("HTTPS://10.0.0.1:7444/blobs/box/a", ("box", "a")),
        ("https://10.0.0.1:7444/blobs/box", ("box", "")),
        ("https://10.0.0.1:7444/blobs/box/", ("box", "")),
        ("https://10.0.0.1:7444/blobs/box/a?b\tc", ("box", "a")),
        ("https://10.0.0.1:7444/blobs/box/ü", ("box", "ü")),
        ("https://10.0.0.1:7444/blobs/box/../a", None),
        ("https://10.0.0.1:7444/blobs/box/%2e%2e/a", None),
        ("https://10.0.0.1:7444/blobs/box/a%00", None),
        ("https://10.0.0.1:7444/blobs/box/%ff", None),
        ("https://10.0.0.1:7444/blobs/B/a", None),
        ("https://10.0.0.1:7444/blobsy/box/a", None),
        ("https://10.0.0.1:74440/blobs/box/a", None),
        ("https://10.0.0.2:7444/blobs/box/a", None),
        ("http://10.0.0.1:7444/blobs/box/a", None),
        ("https://10.0.0.1:7444@evil.example/blobs/box/a", None),
    ],
)
def test_nothing_else_is(url: str, found: tuple[str, str] | None) -> None:
    assert located(BASE, url) == found
