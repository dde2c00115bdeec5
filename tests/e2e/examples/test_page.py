"""What is said of Microsoft's examples, and that none is left out."""

import pytest

from outside.running_host import ROOT
from tests.e2e.examples.catalogue import EXAMPLES
from tests.e2e.examples.page import PAGE, page

ENDPOINTS = ROOT.parent / "shared" / "examples" / "cli" / "endpoints"


def test_the_page_says_what_the_catalogue_does() -> None:
    assert PAGE.read_text() == page()


def test_every_deployment_file_is_in_the_catalogue_once() -> None:
    if not ENDPOINTS.is_dir():
        pytest.skip(f"Microsoft's examples are not at {ENDPOINTS}")
    files = [*ENDPOINTS.rglob("*.yml"), *ENDPOINTS.rglob("*.yaml")]
    deployments = {
        file.relative_to(ENDPOINTS).as_posix()
        for file in files
        if any(f"{kind}Deployment.schema.json" in file.read_text() for kind in ("Online", "Batch"))
    }
    named = [each.file for each in EXAMPLES]
    assert deployments <= set(named)
    assert len(named) == len(set(named))
