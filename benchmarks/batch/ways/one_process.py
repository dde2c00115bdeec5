"""A plain loop in one process. Steady: from the first file to the last prediction, with imports
done and the model loaded."""

import numpy as np
import score_files
from task import given, now, report


def main() -> None:
    task = given()
    model = score_files.load(task.model)
    for paths in task.warm_up:
        score_files.score(model, paths)
    started = now()
    found = np.concatenate([score_files.score(model, paths) for paths in task.calls])
    report(started, now(), found)


if __name__ == "__main__":
    main()
