"""Where the product would ask the machine for time or chance, it gets the simulation's."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from domain.rollout import mirroring
from domain.scoring import instance_asking, online_scoring, scoring_bodies, scoring_exchange

_MEASURED = (instance_asking, online_scoring, scoring_bodies, scoring_exchange, mirroring)


@contextmanager
def held(rng: random.Random, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Until left, ids and keys come from `rng`, and what measures time reads the loop's. Nothing
    is logged."""

    class Seeded(random.Random):
        def __init__(self, x: Any = None) -> None:
            super().__init__(rng.getrandbits(64) if x is None else x)

    def entropy(size: int) -> bytes:
        return rng.randbytes(size)

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (os, "urandom", entropy),
        (random, "_urandom", entropy),
        (random, "Random", Seeded),
        (time, "monotonic", loop.time),
        *((module, "perf_counter", loop.time) for module in _MEASURED),
    ]
    before = [(of, name, getattr(of, name)) for of, name, _ in replaced]
    state = random.getstate()
    was_disabled = logging.root.manager.disable
    random.seed(rng.getrandbits(64))
    for of, name, value in replaced:
        setattr(of, name, value)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(was_disabled)
        for of, name, value in before:
            setattr(of, name, value)
        random.setstate(state)
