"""multiprocessing.Pool, 50 files a task, results to the parent. Steady: from the first task sent
to the last result back, with the pool up and warm."""

import multiprocessing
from collections.abc import Sequence
from typing import Any

import numpy as np
import score_files
from task import given, now, report

_model: Any = None


def _begin(path: str) -> None:
    global _model  # noqa: PLW0603 - a worker process has one
    _model = score_files.load(path)


def _score(paths: Sequence[str]) -> Any:
    return score_files.score(_model, paths)


def main() -> None:
    task = given()
    with multiprocessing.Pool(score_files.WORKERS, _begin, (task.model,)) as pool:
        pool.map(_score, task.warm_up, chunksize=1)
        started = now()
        found = np.concatenate(pool.map(_score, task.calls, chunksize=1))
        report(started, now(), found)


if __name__ == "__main__":
    main()
