"""What joining requests is worth for an MLflow model without a script.

Models of scikit-learn, one row a request, callers in a closed loop, one process, through the whole
path: embedded host in its own process, key, routing; plain HTTP. `alone` has joining switched off;
`joined` is as it is by default.

    python -m benchmarks.online.joined_tables [--seconds N] [--callers N]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.http_load import Outcome, Target, closed_loop
from outside import serving
from outside.running_host import RunningHost

PACKAGES = ("mlflow-skinny<4", "scikit-learn<2", "pandas<4", "numpy<3")
SAVE = """
import sys
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

data, target = load_wine(return_X_y=True, as_frame=True)
for name, model in {
    "line": LogisticRegression(max_iter=5000),
    "forest": RandomForestClassifier(100, random_state=0),
}.items():
    model.fit(data, target)
    mlflow.sklearn.save_model(
        model, sys.argv[1] + "/" + name, signature=infer_signature(data, model.predict(data)),
        pip_requirements=sys.argv[2:], serialization_format="cloudpickle")
print(data.head(1).to_json(orient="split"))
"""
LIMITS = {
    **serving.USUAL,
    "maxConcurrentRequestsPerInstance": 64,
    "requestTimeout": "PT30S",
}
WAYS = {"alone": {"ML_ENDPOINTS_MAX_BATCH": "1"}, "joined": {}}


def saved(folder: Path) -> bytes:
    """The models are in it then; a request's body."""
    packages = [option for each in PACKAGES for option in ("--with", each)]
    uv = Path(sys.executable).parent / "uv"
    command: list[str | Path] = [
        uv,
        "run",
        "--quiet",
        "--no-project",
        *packages,
        "python",
        "-c",
        SAVE,
    ]
    done = subprocess.run(
        [*command, folder, *PACKAGES], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    table = json.loads(done.stdout.splitlines()[-1])
    del table["index"]
    return json.dumps({"input_data": table}).encode()


def deployed(host: RunningHost, folder: Path, name: str) -> None:
    workspace = host.workspace
    uri = workspace.upload("models", name, "1", folder / name)
    asked = {"modelUri": uri, "modelType": "mlflow_model"}
    workspace.call("PUT", f"models/{name}/versions/1", {"properties": asked})
    for way, variables in WAYS.items():
        endpoint = f"{name}-{way}"
        serving.endpoint(host, endpoint)
        properties = {
            "model": f"azureml:{name}:1",
            "requestSettings": LIMITS,
            "environmentVariables": variables,
        }
        body = {"location": "local", "properties": properties}
        workspace.mutate("PUT", f"onlineEndpoints/{endpoint}/deployments/blue", body)
        serving.traffic(host, endpoint, blue=100)


async def load(
    host: RunningHost, endpoint: str, body: bytes, count: int, seconds: float
) -> Outcome:
    target = Target(f"{host.url}/endpoints/{endpoint}/score", serving.key(host, endpoint), body)
    await closed_loop(target, count, 2.0)
    found = await closed_loop(target, count, seconds)
    target.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--callers", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        body = saved(folder)
        with RunningHost(folder / "data", "--port", "0", "--http") as host:
            for model in ("line", "forest"):
                deployed(host, folder, model)
                for count in (1, arguments.callers):
                    for way in WAYS:
                        run = load(host, f"{model}-{way}", body, count, arguments.seconds)
                        found = uvloop.run(run)
                        sys.stdout.write(
                            f"{model:6} {way:6} {count:3d} callers {found.rate():7.1f} requests/s  "
                            f"p50 {found.quantile(0.5) * 1000:6.1f} ms  "
                            f"p99 {found.quantile(0.99) * 1000:6.1f} ms  {dict(found.statuses)}\n"
                        )


if __name__ == "__main__":
    main()
