"""What is read of a listing's XML is what is there."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest

from domain import errors
from domain.ports import BlobProperties
from infra.cloud.blobs.listed_page import listed_page

HEAD = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint='
    '"https://stdata.blob.core.windows.net/" ContainerName="c"><Prefix>a</Prefix><Blobs>'
)
WHEN = "Mon, 09 Nov 2026 07:05:03 GMT"


def blob(name: str, *, metadata: str = "<Metadata />", etag: str = "0x8DC", more: str = "") -> str:
    return (
        f"<Blob>{name}<Properties><Creation-Time>{WHEN}</Creation-Time><Last-Modified>{WHEN}"
        f"</Last-Modified><Etag>{etag}</Etag><Content-Length>12</Content-Length>"
        "<Content-Type>text/csv</Content-Type><Content-Encoding /><Content-MD5>x==</Content-MD5>"
        f"<BlobType>BlockBlob</BlobType>{more}</Properties>{metadata}<OrMetadata /></Blob>"
    )


def page(*blobs: str, marker: str = "<NextMarker />") -> bytes:
    return f"{HEAD}{''.join(blobs)}</Blobs>{marker}</EnumerationResults>".encode()


def test_a_blob_is_read_with_all_that_it_has() -> None:
    metadata = "<Metadata><k>v &lt; w</k><Empty /><mleWriteToken>t</mleWriteToken></Metadata>"
    found = listed_page(page(blob("<Name>a/b.csv</Name>", metadata=metadata)), "mlewritetoken")
    assert found.blobs == [
        BlobProperties(
            name="a/b.csv",
            size=12,
            etag='"0x8DC"',
            last_modified=datetime(2026, 11, 9, 7, 5, 3, tzinfo=UTC),
            content_type="text/csv",
            metadata={"k": "v < w", "Empty": ""},
        )
    ]
    assert found.marker is None


@pytest.mark.parametrize(
    "name",
    ["a&b", "a<b>c", "&amp;", "&#38;", "a'b\"c", "ü/\u2028/\U0001f600", "%41", "]]>", "&copy;"],
)
def test_a_name_is_read_as_it_is_however_it_is_spelled(name: str) -> None:
    spelled = escape(name, {'"': "&quot;", "'": "&#x27;"})
    [found] = listed_page(page(blob(f"<Name>{spelled}</Name>")), "t").blobs
    assert found.name == name


def test_a_name_that_xml_cannot_hold_comes_encoded() -> None:
    [found] = listed_page(page(blob('<Name Encoded="true">a%EF%BF%BE%2Fb%01</Name>')), "t").blobs
    assert found.name == "a\ufffe/b\x01"


def test_the_next_page_is_told() -> None:
    content = page(blob("<Name>a</Name>"), marker="<NextMarker>2!88!a&amp;b=</NextMarker>")
    assert listed_page(content, "t").marker == "2!88!a&b="
    assert listed_page(page(), "t").blobs == []


@pytest.mark.parametrize(
    "broken",
    [
        page(blob("<Name>a</Name>"))[:-40],
        page(blob("<Name>a</Name>"), blob("<Name>b</Name>")[:-9]),
        page(blob("")),
        page(blob("<Name>a</Name>", etag="")),
        page(blob("<Name>a</Name>").replace(WHEN, "yesterday, it may be")),
        page(blob("<Name>a</Name>").replace("<Content-Length>12</Content-Length>", "")),
        b"<html>sign in</html>",
    ],
)
def test_a_page_that_lacks_something_is_refused_whole(broken: bytes) -> None:
    with pytest.raises(errors.Unavailable):
        listed_page(broken, "t")
