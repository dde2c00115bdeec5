"""mlflow.pyfunc.spark_udf over a frame of paths, 50 of them a batch: a pyfunc model around the
same code, which gives a row for each file: its predictions. Steady: from the frame made to the last
prediction collected, with the session up, the udf made and its Python workers warm."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import score_files
from spark_session import session
from task import given, now, report


class Files(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self._model = score_files.load(context.artifacts["model"])

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        paths = list(model_input.iloc[:, 0])
        found = score_files.score(self._model, paths)
        return pd.DataFrame(found.reshape(len(paths), -1))


def _scored(spark: Any, udf: Any, calls: Sequence[Sequence[str]]) -> Any:
    paths = pd.DataFrame({"path": [path for call in calls for path in call]})
    frame = spark.createDataFrame(paths).select(udf("path").alias("found"))
    return np.concatenate(frame.toPandas()["found"].to_list())


def main() -> None:
    task = given()
    spark = session()
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "model")
        mlflow.pyfunc.save_model(
            place,
            python_model=Files(),
            artifacts={"model": task.model},
            pip_requirements=[],
        )
        udf = mlflow.pyfunc.spark_udf(spark, place, result_type="array<long>", env_manager="local")
        _scored(spark, udf, task.warm_up)
        started = now()
        found = _scored(spark, udf, task.calls)
        report(started, now(), found)
        spark.stop()


if __name__ == "__main__":
    main()
