"""Ray Data: a dataset of calls mapped by two tasks at a time, results to the driver. Steady: from
the dataset made to the last result taken, with Ray up and its worker processes warm by an
earlier dataset. Tasks, not actors: their processes stay from one dataset to the next."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import score_files
from task import given, now, report


def _score(batch: dict[str, Any], *, model: str) -> dict[str, Any]:
    """One call's files in, one row out: which call, and its predictions."""
    (call,), (paths,) = batch["call"], batch["paths"]
    return {"call": [call], "found": [score_files.score(score_files.loaded(model), list(paths))]}


def _scored(calls: Sequence[Sequence[str]], model: str) -> Any:
    import ray.data

    rows = [{"call": number, "paths": list(paths)} for number, paths in enumerate(calls)]
    taken = (
        ray.data.from_items(rows, override_num_blocks=len(rows))
        .map_batches(
            _score,
            fn_kwargs={"model": model},
            batch_size=1,
            compute=ray.data.TaskPoolStrategy(size=score_files.WORKERS),
        )
        .take_all()
    )
    taken.sort(key=lambda row: row["call"])
    return np.concatenate([row["found"] for row in taken])


def main() -> None:
    import ray

    task = given()
    ray.init(num_cpus=score_files.WORKERS, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    _scored(task.warm_up, task.model)
    started = now()
    found = _scored(task.calls, task.model)
    report(started, now(), found)
    ray.shutdown()


if __name__ == "__main__":
    main()
