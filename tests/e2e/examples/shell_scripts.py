"""Microsoft's shell scripts of the examples: which run as they stand by `mle az-shim`, what is said
where one asks for another service of Azure's, and scripts of the tests' own that give the same
commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ShellScript:
    """`name` is below `cli`, without its ending. `says` is part of what it writes. `stops`: the
    first command that is refused, where one is; `elsewhere`: why it cannot be tried by a test."""

    name: str
    says: str = ""
    stops: str = ""
    elsewhere: str = ""


_FIRST: Final = "[11055.977245525679, 4503.079536107787]"
_ACR: Final = "az acr build"
_STORAGE: Final = "az storage account"
_CONTAINERS: Final = "deploy-custom-container-"
_BATCH: Final = "endpoints/batch/deploy-models"
_SPACES: Final = (
    "has `JOB_NAME = …` with spaces, which no shell takes, and `set -e`: so it ends in Azure"
)

SCRIPTS: Final = (
    ShellScript("deploy-managed-online-endpoint", _FIRST),
    ShellScript("deploy-safe-rollout-online-endpoints", _FIRST),
    ShellScript("deploy-safe-rollout-kubernetes-online-endpoints", "Succeeded"),
    ShellScript("deploy-local-endpoint", _FIRST),
    ShellScript("deploy-moe-minimal-single-model-registered", _FIRST),
    ShellScript("deploy-moe-inference-schema", '{"Category": ["Virginica", "Setosa"]}'),
    ShellScript("deploy-moe-openapi", _FIRST),
    ShellScript("deploy-moe-binary-payloads", '"size": [128, 128]'),
    ShellScript("deploy-mlcompute-create_with-system-identity", "principal_id"),
    ShellScript("deploy-mlcompute-update-to-system-identity", "principal_id"),
    ShellScript("deploy-mlcompute-update-to-user-identity", "my-cluster-identity"),
    ShellScript("deploy-moe-autoscale", stops="az monitor autoscale"),
    ShellScript("deploy-moe-keyvault", stops="az keyvault create"),
    ShellScript("deploy-managed-online-endpoint-access-resource-sai", stops=_STORAGE),
    ShellScript("deploy-managed-online-endpoint-access-resource-uai", stops=_STORAGE),
    *(
        ShellScript(f"{_CONTAINERS}{each}", stops=_ACR)
        for each in ("minimal-multimodel", "minimal-single-model")
    ),
    ShellScript(f"{_CONTAINERS}mlflow-multideployment-scikit", stops="az acr login"),
    ShellScript(
        "deploy-managed-online-endpoint-ncd",
        elsewhere="deletes models at ml.azure.com with `curl` first; its other lines run",
    ),
    ShellScript("deploy-rest", elsewhere="speaks with management.azure.com by `curl`"),
    ShellScript("batch-score-rest", elsewhere="speaks with management.azure.com by `curl`"),
    ShellScript("batch-score", elsewhere="PyTorch and TensorFlow, of gigabytes"),
    ShellScript(
        f"{_BATCH}/mnist-classifier/deploy-and-run",
        elsewhere="PyTorch and TensorFlow, of gigabytes",
    ),
    ShellScript(f"{_BATCH}/heart-classifier-mlflow/deploy-and-run", elsewhere=_SPACES),
    ShellScript(f"{_BATCH}/custom-outputs-parquet/deploy-and-run", elsewhere=_SPACES),
)

_HEAD: Final = """\
set -e
E=own-$RANDOM
sample=endpoints/online/managed/sample
asked=endpoints/online/model-1/sample-request.json
of() { az ml online-endpoint show -n $E -o tsv --query "$1"; }
state() { az ml online-deployment show -n $1 -e $E --query provisioning_state -o tsv; }
up() { test "$(state $1)" = Succeeded; }
post() {
  key=$(az ml online-endpoint get-credentials -n $E --query primaryKey -o tsv)
  json="Content-Type: application/json"
  curl -sS -H "Authorization: Bearer $key" -H "$json" "$@" $(of scoring_uri)
}
"""
_ROLLOUT: Final = """
az ml online-deployment update -n blue --endpoint $E --set instance_count=2
az ml online-deployment create -n green --endpoint-name $E -f $files-green-deployment.yml
of traffic
post -d @$asked -H "azureml-model-deployment: green"
az ml online-endpoint update -n $E --traffic "blue=90 green=10"
az ml online-endpoint update -n $E --traffic "blue=0 green=100"
az ml online-deployment delete -n blue --endpoint $E --yes --no-wait
az ml online-endpoint delete -n $E --yes --no-wait
"""
_OWN: Final[Mapping[str, str]] = {
    "deploy-managed-online-endpoint": """
az ml online-endpoint create --name $E -f $sample/endpoint.yml
az ml online-deployment create --name blue --endpoint $E --all-traffic \\
  -f $sample/blue-deployment.yml
test "$(of provisioning_state)" = Succeeded
up blue
az ml online-endpoint invoke --name $E --request-file $asked
post --data @$asked
az ml online-deployment get-logs --name blue --endpoint $E
az ml online-endpoint delete --name $E --yes --no-wait
""",
    "deploy-safe-rollout-online-endpoints": """
az ml online-endpoint create -n $E -f $sample/endpoint.yml
az ml online-deployment create -n blue -e $E -f $sample/blue-deployment.yml --all-traffic
az ml online-endpoint invoke -n $E --request-file $asked
az ml online-deployment create -n green -e $E -f $sample/green-deployment.yml
az ml online-endpoint invoke -n $E --deployment green --request-file $asked
az ml online-endpoint update -n $E --mirror-traffic "green=10"
az ml online-endpoint update -n $E --mirror-traffic "green=0"
az ml online-deployment delete -n green -e $E -y
"""
    + _ROLLOUT.replace("$files-", "$sample/"),
    "deploy-safe-rollout-kubernetes-online-endpoints": """
files=endpoints/online/kubernetes/kubernetes
az ml online-endpoint create --name $E -f $files-endpoint.yml
az ml online-deployment create -n blue --endpoint $E -f $files-blue-deployment.yml --all-traffic
up blue && echo Succeeded
"""
    + _ROLLOUT,
    "deploy-local-endpoint": """
az ml online-endpoint create --local -n $E -f $sample/endpoint.yml
az ml online-deployment create --local -n blue --endpoint $E -f $sample/blue-deployment.yml
az ml online-endpoint invoke --local --name $E --request-file $asked
az ml online-deployment get-logs --local -n blue --endpoint $E
az ml online-endpoint delete --local --name $E --yes
""",
    "deploy-moe-minimal-single-model-registered": """
base=endpoints/online/managed/minimal/single-model-registered
az ml online-endpoint create -n $E
version=$RANDOM
for each in model deployment; do
  sed "s/{{MODEL_VERSION}}/$version/; s/{{ENDPOINT_NAME}}/$E/" $base/$each.yml > $base/$E-$each.yml
done
az ml model create -f $base/$E-model.yml
az ml online-deployment create -f $base/$E-deployment.yml --all-traffic
up smr
post -d @$asked
az ml online-endpoint delete -y -n $E --no-wait
""",
    "deploy-moe-inference-schema": """
base=endpoints/online/managed/inference-schema
version=$RANDOM$RANDOM
az ml online-endpoint create -n $E
az ml model create -f $base/model.yml --set version=$version
for kind in standard numpy pandas; do
  az ml online-deployment create -f $base/deployment-$kind.yml \\
    --set model=azureml:azureml-infschema:$version --set endpoint_name=$E --all-traffic
  up infsrv-$kind
  post -d @$base/sample-inputs/$kind.json
done
curl -sS -H "Authorization: Bearer $key" $(of openapi_uri)
az ml online-endpoint delete -y -n $E --no-wait
""",
    "deploy-mlcompute-update-to-user-identity": """
id=$(az identity create -n my-cluster-identity --query id -o tsv)
az ml compute create --name own --type amlcompute --identity-type user_assigned \\
  --user-assigned-identities "$id"
az ml compute update --name own --identity-type user_assigned --user-assigned-identities "$id"
az ml compute delete --name own --yes
""",
}


def own(name: str) -> str | None:
    """A script of the same commands, where there is one."""
    commands = _OWN.get(name)
    return commands and _HEAD + commands
