"""What happened in a simulation, step by step: what is printed when something is found."""

from collections.abc import Callable


class Schedule:
    """Lines with the time; `now` is in seconds since the start."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._steps: list[tuple[float, tuple[object, ...]]] = []

    def add(self, *words: object) -> None:
        self._steps.append((self._now(), words))

    def __len__(self) -> int:
        return len(self._steps)

    def text(self) -> str:
        return "\n".join(
            f"{at:10.3f}  {' '.join(str(word) for word in words)}" for at, words in self._steps
        )
