"""Whether the suites ran over real accounts too."""

import os

import pytest

from tests.contract.subscription import COSMOS, STORAGE


@pytest.mark.cloud
@pytest.mark.parametrize("variable", [COSMOS, STORAGE])
def test_the_suites_run_over_an_account_that_the_environment_names(variable: str) -> None:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no account: the suites ran over loopback servers only")
