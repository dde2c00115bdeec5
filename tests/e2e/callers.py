"""Those who ask an online deployment all the time."""

import threading
from typing import Any, Self

import httpx

from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until


class Callers:
    """Ask without a pause, each for itself, and count what was no good answer."""

    def __init__(self, host: RunningHost, endpoint: str, deployment: str, count: int) -> None:
        self.answers: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.in_a_row = 0
        self._stop = threading.Event()
        self._host, self._endpoint, self._deployment = host, endpoint, deployment
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def _run(self) -> None:
        headers = {"azureml-model-deployment": self._deployment}
        with serving.caller(self._host, self._endpoint) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("", json=1, headers=headers)
                except httpx.HTTPError as error:
                    self._fault(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answers.append(answer.json())
                    self.in_a_row += 1
                else:
                    self._fault(f"{answer.status_code} {answer.text[:200]}")

    def _fault(self, told: str) -> None:
        self.faults.append(told)
        self.in_a_row = 0

    def go_on(self, count: int = 50) -> None:
        """Returns once so many were answered one after the other."""
        self.in_a_row = 0
        until(lambda: self.in_a_row >= count, "good answers in a row")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
