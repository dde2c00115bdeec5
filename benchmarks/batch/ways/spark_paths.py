"""PySpark: mapInPandas over a frame of paths, 50 of them a batch. Steady: from the frame made to
the last prediction collected, with the session up and its Python workers warm."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import score_files
from spark_session import session
from task import given, now, report


def _scored(spark: Any, calls: Sequence[Sequence[str]], model: str) -> Any:
    def score(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            found = score_files.score(score_files.loaded(model), batch["path"])
            yield pd.DataFrame({"prediction": found})

    paths = pd.DataFrame({"path": [path for call in calls for path in call]})
    frame = spark.createDataFrame(paths).mapInPandas(score, "prediction long")
    return np.asarray(frame.toPandas()["prediction"])


def main() -> None:
    task = given()
    spark = session()
    _scored(spark, task.warm_up, task.model)
    started = now()
    found = _scored(spark, task.calls, task.model)
    report(started, now(), found)
    spark.stop()


if __name__ == "__main__":
    main()
