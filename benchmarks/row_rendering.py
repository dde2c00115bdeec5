"""What a mini-batch worker spends on what `run()` returned, until it is in the unit's content:
processor time for 5,000 elements of a mini-batch of 50 files, the least of many.

    python -m benchmarks.row_rendering [--times N]
"""

import argparse
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from runtime.batch.inputs import Input
from runtime.batch.rows import Form, render
from runtime.batch.sinks import sink_of
from runtime.batch.tables import given

ELEMENTS = 5_000
FILES = 50
FORMS = ("csv", "jsonl", "parquet", "text")


def results() -> dict[str, Any]:
    """By what they are. Which file rows are from can be known of the last alone."""
    random = np.random.default_rng(1)
    classes = random.integers(0, 3, ELEMENTS)
    shares = random.random(ELEMENTS)
    names = [f"id-{number}" for number in range(ELEMENTS)]
    frame = pd.DataFrame({"id": names, "class": classes, "share": shares})
    return {
        "an array of int64": classes,
        "a list of ints": classes.tolist(),
        "an array of float64": shares,
        "a list of strings": names,
        "dicts of an int and a string": [
            {"class": int(each), "id": name} for each, name in zip(classes, names, strict=True)
        ],
        "lists of an int and a float": list(map(list, enumerate(shares.tolist()))),
        "an array of 5,000 x 3 floats": random.random((ELEMENTS, 3)),
        "a DataFrame of 3 columns": frame,
        "a DataFrame for each file": [
            frame[begin : begin + ELEMENTS // FILES]
            for begin in range(0, ELEMENTS, ELEMENTS // FILES)
        ],
    }


def milliseconds(result: Any, form: Form, times: int) -> float:
    inputs = [Input(f"in/{number}.csv", f"file:///data/{number}.csv") for number in range(FILES)]
    paths = [f"/data/{number}.csv" for number in range(FILES)]
    least = float("inf")
    for _ in range(times):
        sink = sink_of(form)
        began = time.process_time()
        sink.take(render(given(result), inputs, paths, form))
        least = min(least, time.process_time() - began)
    return least * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.row_rendering")
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    for provenance in (True, False):
        say(f"ms, {'with' if provenance else 'without'} input_file and input_row")
        say(f"| | {' | '.join(FORMS)} |\n|---|{'---|' * len(FORMS)}")
        for name, result in results().items():
            took = [milliseconds(result, Form(form, provenance), times) for form in FORMS]
            say(f"| {name} | {' | '.join(f'{each:.2f}' for each in took)} |")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
