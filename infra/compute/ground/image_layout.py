"""Where things are in images of environments, whoever makes them."""

from typing import Final

HOME: Final = "/opt/ml-endpoints"
ENVIRONMENT: Final = f"{HOME}/environment"
PYTHON: Final = f"{ENVIRONMENT}/bin/python"
RUNTIME: Final = f"{HOME}/runtime"
MODEL: Final = f"{HOME}/model"
CODE: Final = f"{HOME}/code"
LOCK: Final = f"{ENVIRONMENT}/requirements.lock"
"""What was resolved, with digests, where the environment is a layer."""
