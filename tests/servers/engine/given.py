"""The container engine that the tests are given."""

import os

from tests.servers.engine.dockerd import EngineApi
from tests.servers.engine.required import ENGINE, without


def given_engine() -> EngineApi:
    """With the base image there; else the test is skipped."""
    url = os.environ.get(ENGINE)
    if not url:
        without(f"no {ENGINE} names a container engine (make engine)")
    engine = EngineApi(url)
    if not engine.answers:
        without(f"no container engine answers at {url}")
    engine.make_base()
    return engine
