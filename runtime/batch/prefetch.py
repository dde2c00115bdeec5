"""Inputs fetched in threads of their own while a script runs, so that it need not wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from .inputs import Input, local_paths

_HELD = 2
"""Mini-batches fetched ahead at most: the next of this unit, and the first of the next one."""


class Prefetch:
    """`begin` may be called from any thread and never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fetches: list[_Fetch] = []

    def begin(self, inputs: Sequence[Input]) -> None:
        """Fetch what a mini-batch will ask for; nothing where its inputs are at hand."""
        if all(_is_at_hand(each) for each in inputs):
            return
        with self._lock:
            if any(fetch.inputs == inputs for fetch in self._fetches):
                return
            self._fetches.append(_Fetch(inputs))
            unwanted = self._fetches.pop(0) if len(self._fetches) > _HELD else None
        if unwanted is not None:
            unwanted.drop()

    @contextmanager
    def paths(self, inputs: list[Input], following: Sequence[Input] = ()) -> Iterator[list[str]]:
        """As `local_paths`, of what was begun if it was. `following` is begun then."""
        fetch = self._taken(inputs)
        with local_paths(inputs) if fetch is None else fetch.paths() as paths:
            self.begin(following)
            yield paths

    def _taken(self, inputs: Sequence[Input]) -> _Fetch | None:
        with self._lock:
            for fetch in self._fetches:
                if fetch.inputs == inputs:
                    self._fetches.remove(fetch)
                    return fetch
        return None


def _is_at_hand(wanted: Input) -> bool:
    is_here = wanted.url.startswith("file:") and wanted.piece is None
    return is_here or wanted.content is not None


class _Fetch:
    def __init__(self, inputs: Sequence[Input]) -> None:
        self.inputs = inputs
        self._files = local_paths(list(inputs))
        self._paths: Future[list[str]] = Future()
        threading.Thread(target=self._run, name="prefetch", daemon=True).start()

    def _run(self) -> None:
        try:
            self._paths.set_result(self._files.__enter__())
        except BaseException as fault:  # it belongs to whoever asks for the paths
            self._paths.set_exception(fault)

    @contextmanager
    def paths(self) -> Iterator[list[str]]:
        paths = self._paths.result()
        try:
            yield paths
        finally:
            self._files.__exit__(None, None, None)

    def drop(self) -> None:
        """Nobody wants it any more."""
        threading.Thread(target=self._clear, name="prefetch-drop", daemon=True).start()

    def _clear(self) -> None:
        if self._paths.exception() is None:
            self._files.__exit__(None, None, None)
