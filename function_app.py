"""The app: settings, composition, functions. Any Functions host finds `app` here.

Importing this opens nothing: adapters open what they need at their first use.
"""

import os
from pathlib import Path

import azure.functions as func

from handlers import blueprints
from infra.composition import compose
from infra.settings import Settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
application = compose(Settings.read(os.environ, Path("local.settings.json")))

# What becomes of resources is kept from here on (domain/audit/story_keeping.py).
application.audit.story.listen()

for blueprint in blueprints(application):
    app.register_functions(blueprint)
