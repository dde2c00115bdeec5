"""An MLflow model becomes an online and a batch deployment without code or environment."""

from pathlib import Path

from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet

FILES = {
    "MLmodel": """
flavors:
  python_function:
    loader_module: doubling
    code: code
    data: data
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    python_version: '3.11'
signature:
  inputs: '[{"type": "double", "name": "a"}]'
  outputs: '[{"type": "double", "name": "doubled"}]'
  params: null
""",
    "conda.yaml": """
channels: [conda-forge]
dependencies:
- python=3.11
- pip
- pip: ["mlflow-skinny>=3,<4", "pandas>=2.2,<4"]
""",
    "code/doubling.py": """
class Doubling:
    def predict(self, table, params=None):
        return table.rename(columns={"a": "doubled"}) * 2

def _load_pyfunc(path):
    return Doubling()
""",
    "data/weights.txt": "2",
}


def test_a_model_alone_is_deployed_and_asked_in_every_dialect(fleet: Fleet, tmp_path: Path) -> None:
    model = tmp_path / "model"
    for name, text in FILES.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(text)
    with fleet.hosting(tmp_path / "data") as host:
        workspace = host.workspace
        asked = {"modelUri": workspace.upload("models", "doubling", "1", model)}
        version = "models/doubling/versions/1"
        workspace.call("PUT", version, {"properties": {**asked, "modelType": "mlflow_model"}})
        serving.endpoint(host, "doubling")
        workspace.mutate(
            "PUT",
            "onlineEndpoints/doubling/deployments/blue",
            {"location": "local", "properties": {"model": "azureml:doubling:1"}},
        )
        serving.traffic(host, "doubling", blue=100)
        with serving.caller(host, "doubling") as caller:
            table = {"columns": ["a"], "data": [[1.5], [2]]}
            expected = [{"doubled": 3.0}, {"doubled": 4.0}]
            assert caller.post("", json={"input_data": table}).json() == expected
            answer = caller.post("", json={"dataframe_split": table}).json()
            assert answer == {"predictions": expected}
            tensor = {"name": "a", "datatype": "FP64", "shape": [1], "data": [4]}
            answer = caller.post("", json={"inputs": [tensor]}).json()
            assert answer["model_name"] == "blue"
            assert answer["outputs"][0]["data"] == [8.0]
            refused = caller.post("", json={"data": []})
            assert refused.status_code == 424
            assert refused.headers["ms-azureml-model-error-statuscode"] == "400"
            assert "needs one of input_data" in refused.json()["message"]
            url = f"{host.url}/endpoints/doubling/swagger.json?version=3"
            document = caller.get(url).json()
        assert document["servers"] == [{"url": f"{host.url}/endpoints/doubling"}]
        given = document["components"]["schemas"]["ServiceOutput"]["oneOf"][0]
        assert list(given["items"]["properties"]) == ["doubled"]
        _score_files(host)
        assert host.stop() == 0


def _score_files(host: RunningHost) -> None:
    """By the same model in the same environment: bad files alone fail, up to the threshold."""
    workspace = host.workspace
    workspace.mutate("PUT", "batchEndpoints/doubling", {"location": "local", "properties": {}})
    where = f"{workspace.connection['workspace']}/computes/local"
    wanted = {
        "model": {"referenceType": "Id", "assetId": "azureml:doubling@latest"},
        "compute": where,
        "miniBatchSize": 4,
        "errorThreshold": 1,
        "retrySettings": {"maxRetries": 0, "timeout": "PT1H"},
    }
    body = {"location": "local", "properties": wanted}
    workspace.mutate("PUT", "batchEndpoints/doubling/deployments/main", body)
    default = {"properties": {"defaults": {"deploymentName": "main"}}}
    workspace.mutate("PATCH", "batchEndpoints/doubling", default)
    files = {"1.csv": "a\n1\n2.5\n", "2.jsonl": '{"a": 4}\n', "3.csv": "a\nx\n"}
    done = batch.ended(host, batch.started(host, "doubling", batch.data(host, files)))
    assert (done["status"], done["progress"]["failedFiles"]) == ("Completed", 1), done
    assert batch.output(host, done).read_text().splitlines() == [
        "input_file,input_row,doubled",
        "1.csv,0,2.0",
        "1.csv,1,5.0",
        "2.jsonl,0,8.0",
    ]
    told = batch.output(host, done, "failedFiles").read_text()
    assert "3.csv cannot be read as .csv" in told
    uri = batch.data(host, {**files, "4.txt": ""})
    over = batch.ended(host, batch.started(host, "doubling", uri))
    assert over["error"]["code"] == "ErrorThresholdExceeded"
