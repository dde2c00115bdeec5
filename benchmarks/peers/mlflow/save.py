"""Save the model as MLflow wants it, in the folder named."""

import sys

import mlflow.sklearn
from model import trained

mlflow.sklearn.save_model(trained(), sys.argv[1])
