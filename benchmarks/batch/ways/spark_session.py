"""A local Spark session with two worker processes."""

from typing import Any

import score_files


def session() -> Any:
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master(f"local[{score_files.WORKERS}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(score_files.FILES_A_CALL))
        .getOrCreate()
    )
