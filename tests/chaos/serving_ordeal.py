"""A deployment under callers that never pause, whose instances and host are struck at seeded
moments.

A run's seed decides what is done and when: an instance is struck as its fleet is, the host is
killed, the platform restarted, what it runs is changed, or its count. Whatever comes, a caller gets
its own answer, from a revision that was asked for, or is told that it gets none; what is struck
costs no more than what callers had in flight; and at the end there are as many instances as were
asked for, of the revision that was asked for last, and every request is answered.
"""

import random
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from outside import serving
from tests.chaos.ordeal import Ordeal
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until

CALLERS = 4
IN_FLIGHT = 2
"""Requests that a strike may cost each caller: one that is in flight, and one that follows it to
an instance that is hung before that shows."""
PLACE = "ordeal/blue"
SCRIPT = """
import json
import os


def init():
    pass


def run(data):
    return {"asked": json.loads(data), "version": int(os.environ["VERSION"])}
"""
LIMITS = {
    "requestTimeout": "PT2S",
    "maxQueueWait": "PT2S",
    "maxConcurrentRequestsPerInstance": 8,
}


@dataclass(frozen=True)
class Served:
    done: tuple[str, ...]
    answers: int
    faults: int


class Callers:
    """Each asks for something of its own, again and again. Faults are counted but while the host,
    or what it runs on, is known to be away."""

    def __init__(self, url: str, key: str, verify: ssl.SSLContext, versions: set[int]) -> None:
        self.url = url
        self.faults: list[str] = []
        self.wrong: list[str] = []
        self.answers = 0
        self.in_a_row = 0
        self.versions = versions
        """Those that may answer."""
        self.is_away = False
        self._key = key
        self._verify = verify
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CALLERS)]

    def _run(self, caller: int) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        number = 0
        with httpx.Client(verify=self._verify, headers=headers, timeout=PATIENCE) as client:
            while not self._stop.is_set():
                number += 1
                asked = f"{caller}-{number}"
                away = self.is_away
                try:
                    answer = client.post(self.url, json=asked)
                except httpx.HTTPError as error:
                    self._fault(away, repr(error))
                    continue
                if answer.status_code != 200:
                    self._fault(away, f"{answer.status_code} {answer.text[:120]}")
                    continue
                told = answer.json()
                if told["asked"] != asked or told["version"] not in self.versions:
                    self.wrong.append(f"{asked}: {told}, of {self.versions}")
                self.answers += 1
                self.in_a_row += 1

    def _fault(self, away: bool, told: str) -> None:
        self.in_a_row = 0
        if away or self.is_away:
            self._stop.wait(0.05)
        else:
            self.faults.append(told)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.is_away = True
        yield
        self.go_on(20)
        self.is_away = False

    def go_on(self, count: int) -> None:
        self.in_a_row = 0
        until(lambda: self.in_a_row >= count, "good answers in a row")

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class ServingArena:
    """A host with one deployment. Use as a context manager."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self._fleet = fleet
        settings = {"ML_ENDPOINTS_MEMORY_OVERCOMMIT": "1000"}
        self._host = fleet.host(folder / "serving", "--port", "0", environment=settings)
        self._code = ""
        self._version = 0
        self._count = 2
        self._strikes = 0

    def __enter__(self) -> "ServingArena":
        host = self._host
        host.start()
        try:
            serving.environment(host)
            serving.endpoint(host, "ordeal")
            self._code = serving.codes(host, "ordeal", {"score.py": SCRIPT})
            self._deploy()
            serving.traffic(host, "ordeal", blue=100)
        except BaseException:  # interrupted too: `__exit__` will not come
            host.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._host.close()
        self._fleet.clear(self._host)

    def _deploy(self) -> None:
        variables = {"VERSION": str(self._version)}
        serving.deploy(
            self._host,
            PLACE,
            self._code,
            count=self._count,
            environmentVariables=variables,
            requestSettings=LIMITS,
        )

    def run(self, seed: int) -> Served:
        """Raises Ordeal when the guarantee does not hold."""
        rng = random.Random(seed)
        self._strikes = 0
        deeds: list[Callable[[Callers, random.Random], str]] = [
            *(self._strike, self._strike),
            *(self._kill_host, self._change, self._scale),
        ]
        if self._fleet.restart is not None:
            deeds.append(self._restart)
        key, verify = serving.key(self._host, "ordeal"), self._host.tls
        done = []
        with Callers(self._url(), key, verify, {self._version}) as callers:
            callers.go_on(20)
            for _ in range(rng.randint(2, 4)):
                done.append(rng.choice(deeds)(callers, rng))
            until(lambda: len(self._instances()) == self._count, f"{self._count} instances")
            callers.versions = {self._version}
            callers.go_on(50)
        self._check(callers)
        return Served(tuple(done), callers.answers, len(callers.faults))

    def _url(self) -> str:
        return f"{self._host.url}/endpoints/ordeal/score"

    def _instances(self) -> set[str]:
        return self._fleet.instances(self._host, PLACE)

    def _check(self, callers: Callers) -> None:
        if callers.wrong:
            raise Ordeal(f"wrong answers: {callers.wrong[:5]}")
        most = CALLERS * IN_FLIGHT * self._strikes
        if len(callers.faults) > most:
            told = f"{len(callers.faults)} requests failed, not at most {most}"
            raise Ordeal(f"{told}: {callers.faults[:5]} ... {callers.faults[-3:]}")
        if faults := self._host.faults():
            raise Ordeal(f"the host logged errors: {faults[:3]}")

    # -- what is done

    def _strike(self, callers: Callers, rng: random.Random) -> str:
        if self._count == 1:  # nobody would be left
            self._count = 2
            self._deploy()
        until(lambda: len(self._instances()) == self._count, "whole before it is struck")
        callers.go_on(20)
        before = self._instances()
        self._strikes += 1
        what = self._fleet.strike(self._host, "serve", rng)
        if what is None:
            raise Ordeal("there is no instance")
        until(lambda: self._instances() != before, "what was struck is gone")
        callers.go_on(50)
        return what

    def _kill_host(self, callers: Callers, _: random.Random) -> str:
        with callers.away():
            self._host.kill()
            self._host.start()
            callers.url = self._url()
        return "host killed"

    def _restart(self, callers: Callers, _: random.Random) -> str:
        with callers.away():
            if self._fleet.restart is not None:
                self._fleet.restart()
        return "platform restarted"

    def _change(self, callers: Callers, _: random.Random) -> str:
        self._version += 1
        callers.versions = {self._version - 1, self._version}
        self._deploy()
        return f"version {self._version}"

    def _scale(self, callers: Callers, rng: random.Random) -> str:
        self._count = rng.choice([each for each in (1, 2, 3) if each != self._count])
        self._deploy()
        return f"{self._count} instances"
