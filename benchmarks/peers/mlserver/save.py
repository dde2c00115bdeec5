"""Save the model as MLServer wants it, in the folder named."""

import json
import sys
from pathlib import Path

import joblib
from model import trained

folder = Path(sys.argv[1])
folder.mkdir(parents=True)
joblib.dump(trained(), folder / "model.joblib")
settings = {
    "name": "bench",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
