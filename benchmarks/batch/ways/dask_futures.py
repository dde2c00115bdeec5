"""Dask distributed: a local cluster of two single-threaded worker processes, a task for each 50
files. Steady: from the first task submitted to the last result gathered, workers warm."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import score_files
from task import given, now, report


def _score(paths: Sequence[str], *, model: str) -> Any:
    return score_files.score(score_files.loaded(model), paths)


def main() -> None:
    from distributed import Client, LocalCluster

    task = given()
    with (
        LocalCluster(
            n_workers=score_files.WORKERS,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(score_files.WORKERS)
        client.run(_score, task.warm_up[0], model=task.model)
        started = now()
        found = np.concatenate(
            client.gather(client.map(_score, task.calls, model=task.model, pure=False))
        )
        report(started, now(), found)


if __name__ == "__main__":
    main()
