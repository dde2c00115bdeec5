"""What a Functions worker takes to import the app, and how much of that is ours: the CPU time
to import `function_app` and index it in a new process, less that to import every package of
others that it loads.

    python -m benchmarks.startup.cold_import [--platform embedded|azure] [--runs N]
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
import json, sys, time
started = time.process_time()
import function_app
functions = function_app.app.get_functions()
took = time.process_time() - started
own = ("domain", "handlers", "infra", "runtime", "function_app")
others = [m for m in sys.modules if m.split(".")[0] not in own and m != "__main__"]
print(json.dumps({"took": took, "functions": len(functions), "others": others}))
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
    arguments = parser.parse_args()
    main(arguments.platform, arguments.runs)
