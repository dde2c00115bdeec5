"""The deployment files of `cli/endpoints` in Microsoft's examples: what is done before each, as
the shell script beside it has it, what it is asked, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Example:
    """`file` and all paths are below `cli/endpoints`.

    `before`: commands of `mle`, each with the words of its shell script. `fills`: what the script
    puts for a placeholder; `sets`: what it gives with `--set`. `request` is posted, or given to a
    batch job, and `answer` is what comes back, as Python would write it; without one whatever
    does will do.

    `refused`: what is said instead, in part, and of what. `elsewhere`: why this cannot be tried by
    a test, with what stands for it. `python`: the newest that its packages can be had for. `large`:
    its environment has hundreds of megabytes, and is built where all are asked for alone. `model`:
    a file of it that is too large to be among the files that tests have."""

    file: str
    before: tuple[str, ...] = ()
    fills: Mapping[str, str] = field(default_factory=dict)
    sets: tuple[str, ...] = ()
    endpoint: str = ""
    request: str = ""
    answer: str = ""
    refused: str = ""
    elsewhere: str = ""
    python: tuple[int, int] | None = None
    large: bool = False
    model: str = ""

    @property
    def kind(self) -> str:
        return "batch" if self.file.startswith("batch/") else "online"


_SAMPLE: Final = "online/managed/sample"
_FIRST: Final = "[11055.977245525679, 4503.079536107787]"
_ASKS_FIRST: Final = "online/model-1/sample-request.json"
_ASKS_SECOND: Final = "online/model-2/sample-request.json"
_IMAGE: Final = "--image mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"


def _registered(version: int) -> tuple[str, ...]:
    return (
        f"model create --name my-model --version {version} --path online/model-{version}/model/",
        f"environment create --name my-env --version 1 {_IMAGE} "
        "--conda-file online/model-1/environment/conda.yaml",
    )


def _sample(colour: str, kind: str = "") -> Example:
    first = colour == "blue"
    return Example(
        f"{_SAMPLE}/{colour}-deployment{kind}.yml",
        before=_registered(1 if first else 2) if kind == "-with-registered-assets" else (),
        endpoint=f"{_SAMPLE}/endpoint.yml",
        request=_ASKS_FIRST if first else _ASKS_SECOND,
        answer=_FIRST,
    )


_SAMPLES: Final = tuple(
    _sample(colour, kind)
    for kind in ("", "-with-registered-assets", "-with-curated-env")
    for colour in ("blue", "green")
)

_SCHEMA: Final = "online/managed/inference-schema"
_SCHEMAS: Final = tuple(
    Example(
        f"{_SCHEMA}/deployment-{kind}.yml",
        before=(f"model create -f {_SCHEMA}/model.yml",),
        request=f"{_SCHEMA}/sample-inputs/{kind}.json",
        answer="{'Category': ['Virginica', 'Setosa']}",
    )
    for kind in ("standard", "numpy", "pandas")
)

_STORAGE: Final = (
    "needs an account of Azure Storage. `mle identity` and `mle role-assignment` do what the shell "
    "script does, and tests/e2e/online/test_identities.py reads a blob of this host so"
)
_MANAGED: Final = (
    Example(
        "online/managed/binary-payloads/binary-payloads-deployment.yml",
        sets=("code_configuration.scoring_script=single-file-to-file-score.py",),
        request="online/managed/binary-payloads/input.jpg",
        answer="'JPEG (128, 128)'",
    ),
    Example(
        "online/managed/keyvault/keyvault-deployment.yml",
        elsewhere="needs an Azure Key Vault, which its script asks for a secret",
    ),
    Example("online/managed/managed-identities/2-sai-deployment.yml", elsewhere=_STORAGE),
    Example("online/managed/managed-identities/2-uai-deployment.yml", elsewhere=_STORAGE),
    Example(
        "online/managed/minimal/single-model-registered/deployment.yml",
        before=("model create -f online/managed/minimal/single-model-registered/model.yml",),
        fills={"MODEL_VERSION": "7"},
        request=_ASKS_FIRST,
        answer=_FIRST,
    ),
    Example(
        "online/managed/openapi/deployment.yml",
        sets=("code_configuration.code=code-decorated",),
        request=_ASKS_FIRST,
        answer=f"{{'output': {_FIRST}}}",
    ),
    *(
        Example(
            f"online/managed/vnet/{kind}/blue-deployment-vnet.yml",
            endpoint=f"online/managed/vnet/{kind}/endpoint.yml",
            refused="so none can be closed to public networks by itself",
        )
        for kind in ("mlflow", "sample")
    ),
)

_NCD: Final = (
    Example(
        "online/ncd/sklearn-deployment.yaml",
        endpoint="online/ncd/create-endpoint.yaml",
        request="online/ncd/sample-request-sklearn.json",
        answer="[11633.100167144928, 8522.117402885002]",
        large=True,
    ),
    Example(
        "online/ncd/sklearn-deployment-with-script.yaml",
        endpoint="online/ncd/create-endpoint.yaml",
        request="online/ncd/sample-request-sklearn.json",
        answer="[11633.100167144928, 8522.117402885002]",
        large=True,
    ),
    Example(
        "online/ncd/lightgbm-deployment.yaml",
        endpoint="online/ncd/create-endpoint.yaml",
        request="online/ncd/sample-request-lightgbm.json",
        large=True,
        model="online/ncd/lightgbm-iris/model/model.lgb",
    ),
)
_KUBERNETES: Final = tuple(
    Example(
        f"online/kubernetes/kubernetes-{colour}-deployment.yml",
        endpoint="online/kubernetes/kubernetes-endpoint.yml",
        request="online/kubernetes/sample-request.json",
        answer=_FIRST,
    )
    for colour in ("blue", "green")
)

_PACKAGES: Final = "online/deploy-with-packages"
_PACKED_ENVIRONMENT: Final = f"{_PACKAGES}/custom-model/environment/sklearn-regression-env.yml"
_PACKED: Final = (
    Example(
        f"{_PACKAGES}/custom-model/deployment.yml",
        endpoint=f"{_PACKAGES}/custom-model/endpoint.yml",
        refused="Environment 'sklearn-regression-online-pkg' was not found",
    ),
    Example(
        f"{_PACKAGES}/custom-model/model-deployment.yml",
        before=(
            f"model create --name sklearn-regression --path {_PACKAGES}/custom-model/model",
            f"environment create -f {_PACKED_ENVIRONMENT}",
        ),
        endpoint=f"{_PACKAGES}/custom-model/endpoint.yml",
        refused="name: 'regular_deployment': 3 to 32 letters, digits and dashes",
    ),
    Example(
        f"{_PACKAGES}/mlflow-model/deployment.yml",
        endpoint=f"{_PACKAGES}/mlflow-model/endpoint.yml",
        refused="Environment 'heart-classifier-mlflow-pkg' was not found",
    ),
    Example(
        f"{_PACKAGES}/mlflow-model/model-deployment.yml",
        elsewhere="its model was made with scikit-learn 1.1 and its conda file pins 1.7, which "
        "cannot use it: it reaches Succeeded, and a request fails in the model, as in Azure",
    ),
)

_FILLED: Final = {
    "ACR_NAME": "somebody",
    "acr_name": "somebody",
    "MODEL_VERSION": "1",
    "deployment_name": "sklearn",
    "model_name": "sklearn-diabetes",
    "environment_name": "sklearn",
}
_OWN_IMAGES: Final = tuple(
    Example(
        f"online/custom-container/{each}-deployment.yml",
        fills=_FILLED,
        refused="run models in containers (ML_ENDPOINTS_COMPUTE=docker, docs/containers.md)",
    )
    for each in (
        "minimal/multimodel/minimal-multimodel",
        "minimal/single-model/conda-in-dockerfile/minimal-single-model-conda-in-dockerfile",
        "minimal/single-model/pip-in-dockerfile/minimal-single-model-pip-in-dockerfile",
        "mlflow/multideployment-scikit/mlflow",
        "r/multimodel-plumber/r",
        "tfserving/half-plus-two-integrated/half-plus-two-integrated",
        "tfserving/half-plus-two/tfserving",
        "torchserve/densenet/torchserve",
        "triton/single-model/triton-cc",
    )
)
_TRITON: Final = (
    Example(
        "online/triton/single-model/create-managed-deployment.yaml",
        elsewhere="a `triton_model` runs where models are containers (ADR 33); this one, densenet "
        "in ONNX, needs Microsoft's image of the server",
    ),
)

_MODELS: Final = "batch/deploy-models"
_CLUSTER: Final = (
    "compute create -n batch-cluster --type amlcompute --min-instances 0 --max-instances 5"
)
_HEART: Final = f"{_MODELS}/heart-classifier-mlflow"
_PARQUET: Final = f"{_MODELS}/custom-outputs-parquet"


def _on_gpu(file: str, size: str) -> Example:
    cluster = f"compute create -n gpu-cluster --type amlcompute --size {size}"
    return Example(
        f"{_MODELS}/{file}",
        before=(f"{cluster} --min-instances 0 --max-instances 2",),
        endpoint=f"{_MODELS}/{file.partition('/')[0]}/endpoint.yml",
        refused=f"Instance type '{size}' has a GPU",
    )


_BATCH: Final = (
    Example(
        f"{_PARQUET}/deployment.yml",
        before=(
            "model create --name heart-classifier-sklpipe --type custom_model "
            f"--path {_PARQUET}/model",
            _CLUSTER,
        ),
        endpoint=f"{_PARQUET}/endpoint.yml",
        request=f"{_HEART}/data",
        python=(3, 10),
        large=True,
    ),
    Example(
        f"{_HEART}/deployment-simple/deployment.yml",
        before=(
            "model create --name heart-classifier-mlflow --type mlflow_model "
            f"--path {_HEART}/deployment-simple/model",
            _CLUSTER,
        ),
        endpoint=f"{_HEART}/endpoint.yml",
        request=f"{_HEART}/data",
        python=(3, 10),
        large=True,
    ),
    Example(
        f"{_HEART}/deployment-custom/deployment.yml",
        before=(
            "model create --name heart-classifier-mlflow --type mlflow_model "
            f"--path {_HEART}/deployment-simple/model",
            _CLUSTER,
        ),
        endpoint=f"{_HEART}/endpoint.yml",
        request=f"{_HEART}/data",
        python=(3, 10),
        large=True,
    ),
    *(
        Example(
            f"{_MODELS}/mnist-classifier/deployment-{kind}/deployment.yml",
            elsewhere=f"{what}, of gigabytes",
        )
        for kind, what in (("keras", "TensorFlow"), ("torch", "PyTorch 1.13 with CUDA"))
    ),
    _on_gpu("imagenet-classifier/deployment-by-batch.yml", "STANDARD_NC4AS_T4_V3"),
    _on_gpu("imagenet-classifier/deployment-by-file.yml", "STANDARD_NC4AS_T4_V3"),
    _on_gpu("huggingface-text-summarization/deployment.yml", "STANDARD_NV6"),
    Example(
        f"{_MODELS}/openai-embeddings/deployment.yml",
        elsewhere="asks an account of Azure OpenAI for each row",
    ),
)
_PIPELINES: Final = tuple(
    Example(
        f"batch/deploy-pipelines/{each}.yml",
        endpoint=f"batch/deploy-pipelines/{each.partition('/')[0]}/endpoint.yml",
        refused="Pipelines are not deployed here: a batch deployment serves a model.",
    )
    for each in (
        "batch-scoring-with-preprocessing/deployment",
        "hello-batch/deployment",
        "hello-batch/deployment-from-job",
        "training-with-components/deployment-onehot/deployment",
        "training-with-components/deployment-ordinal/deployment",
    )
)

EXAMPLES: Final = (
    *_SAMPLES,
    *_MANAGED,
    *_SCHEMAS,
    *_NCD,
    *_KUBERNETES,
    *_PACKED,
    *_OWN_IMAGES,
    *_TRITON,
    *_BATCH,
    *_PIPELINES,
)
