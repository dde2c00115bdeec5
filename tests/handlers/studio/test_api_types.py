"""The studio's types are of what the host answers today."""

from tests.handlers.studio.api_types import PAGE, written


def test_they_are_written_from_the_openapi_document() -> None:
    assert PAGE.read_text() == written(), "`make studio-types` writes them"
