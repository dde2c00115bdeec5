"""What a Functions worker takes to import the app, and how much of that is ours: the CPU time
to import `function_app` and index it in a new process, less that to import every package of
others that it loads; and the memory that this takes.

    python -m benchmarks.startup.cold_import [--platform embedded|azure] [--runs N]

With `--worker PYTHON`, of an environment that has the app's requirements and Microsoft's worker
library (tests/worker makes one below .venv/worker), the same in that worker, all that it does to
index the app. Bytecode is as it is found: with PYTHONDONTWRITEBYTECODE=1 on a fresh checkout there
is none, as where a package is mounted that nobody may write to.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
AZURE = {
    "ML_ENDPOINTS_BASE_URL": "https://func.azurewebsites.net",
    "ML_ENDPOINTS_SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
    "ML_ENDPOINTS_RESOURCE_GROUP": "rg",
    "ML_ENDPOINTS_WORKSPACE": "models",
    "ML_ENDPOINTS_LOCATION": "westeurope",
    "ML_ENDPOINTS_TOKEN_ISSUER": "https://login.microsoftonline.com/tenant/v2.0",
    "ML_ENDPOINTS_TOKEN_AUDIENCE": "api://ml-endpoints",
    "ML_ENDPOINTS_TOKEN_JWKS_URL": "https://login.microsoftonline.com/tenant/discovery/v2.0/keys",
    "ML_ENDPOINTS_CIPHER_KEY": "a-text-of-thirty-two-characters-or-more",
    "ServiceBusConnection__fullyQualifiedNamespace": "sb.servicebus.windows.net",
    "BlobConnection__blobServiceUri": "https://st.blob.core.windows.net",
    "CosmosConnection__accountEndpoint": "https://cosmos.documents.azure.com",
}

APP = """
import json, resource, sys, time
started = time.process_time()
import function_app
functions = function_app.app.get_functions()
took = time.process_time() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
own = ("domain", "handlers", "infra", "runtime", "function_app")
others = [m for m in sys.modules if m.split(".")[0] not in own and m != "__main__"]
print(json.dumps({"took": took, "memory": memory, "functions": len(functions), "others": others}))
"""

WORKER = """
import asyncio, json, os, resource, sys, time
from types import SimpleNamespace
started = time.process_time()
import azure_functions_worker_v2 as worker
from tests import protos
async def main():
    asked = lambda request: SimpleNamespace(
        request=request, properties={"host": "127.0.0.1", "protos": protos, "threadpool": None})
    sys.path.insert(0, sys.argv[1])
    begin = protos.WorkerInitRequest(function_app_directory=sys.argv[1])
    await worker.worker_init_request(asked(protos.StreamingMessage(worker_init_request=begin)))
    found = await worker.functions_metadata_request(asked(None))
    took = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    functions = len(found.function_metadata_results)
    print(json.dumps({"took": took, "memory": memory, "functions": functions}), flush=True)
    os._exit(0)  # its server is of no use here
asyncio.run(main())
"""

OTHERS = """
import importlib, json, sys, time
names = json.load(sys.stdin)
started = time.process_time()
for name in names:
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # Aliases that packages put among the modules.
print(json.dumps({"took": time.process_time() - started}))
"""


def main(platform: str, runs: int) -> None:
    settings = {"ML_ENDPOINTS_PLATFORM": platform, **(AZURE if platform == "azure" else {})}
    with tempfile.TemporaryDirectory() as folder:
        told = _run(APP, settings, folder)  # Also compiles what is not compiled yet.
        names = json.dumps(told["others"])
        whole, others = [], []
        for _ in range(runs):
            whole.append(_run(APP, settings, folder)["took"])
            others.append(_run(OTHERS, settings, folder, names)["took"])
    a, b = statistics.median(whole), statistics.median(others)
    sys.stdout.write(
        f"{platform}: {told['functions']} functions, {runs} new processes, medians\n"
        f"  the app, imported and indexed  {a:5.2f} s\n"
        f"  others' packages alone         {b:5.2f} s\n"
        f"  ours on top of them            {a - b:5.2f} s\n"
        f"  memory of such a process       {told['memory']:3.0f} MB\n"
    )


def in_worker(platform: str, runs: int, python: str) -> None:
    settings = {"ML_ENDPOINTS_PLATFORM": platform, **(AZURE if platform == "azure" else {})}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ML_ENDPOINTS_")}
    told: list[dict[str, Any]] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [os.path.abspath(python), "-c", WORKER, str(ROOT)],
                cwd=folder,
                env={**environment, **settings, "PYTHON_ENABLE_INIT_INDEXING": "1"},
                capture_output=True,
                text=True,
                check=True,
            )
        told.append(json.loads(done.stdout.splitlines()[-1]))
    sys.stdout.write(
        f"{platform}, in the worker: {told[0]['functions']} functions, {runs} processes, medians\n"
        f"  until they are indexed  {statistics.median(t['took'] for t in told):5.2f} s\n"
        f"  memory                  {statistics.median(t['memory'] for t in told):3.0f} MB\n"
    )


def _run(code: str, settings: dict[str, str], folder: str, given: str = "") -> Any:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ML_ENDPOINTS_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**environment, **settings, "PYTHONPATH": str(ROOT)},
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=("embedded", "azure"), default="embedded")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--worker", metavar="PYTHON")
    arguments = parser.parse_args()
    if arguments.worker:
        in_worker(arguments.platform, arguments.runs, arguments.worker)
    else:
        main(arguments.platform, arguments.runs)
