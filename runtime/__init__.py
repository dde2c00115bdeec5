"""What runs beside a model: environment build, inference server, mini-batch worker.

It depends on nothing of ours. `serve` and `work` run in the model's own environment, on any
Python from 3.9, with the standard library alone.
"""

__version__ = "0.1.0"
