"""An Entra ID tenant as far as tokens go: keys where they are published, and tokens with the
claims that it puts into those of versions 1 and 2, for applications, managed identities and
people."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kit.web_server import WebServer

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
APPLICATION = "0c1f3a1e-6f2d-4c0b-9a53-7f5e2f6b9d10"
APPLICATION_URI = f"api://{APPLICATION}"
ISSUER_V1 = f"https://sts.windows.net/{TENANT}/"
ISSUER_V2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"
AZURE_ML = "https://ml.azure.com"
_KID = "nOo3ZDrODXEK1jKWhXslHR_KXEg"


class Tenant:
    """`keys_url` answers with the signing keys, which say no `alg`, as Entra ID's do not."""

    def __init__(self, web: WebServer) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        shown = {name: public[name] for name in ("kty", "n", "e")}
        entry = {**shown, "use": "sig", "kid": _KID, "x5t": _KID, "issuer": ISSUER_V2}
        keys = {"keys": [entry, {"kty": "RSA", "use": "sig", "kid": "broken"}]}
        path = f"/{TENANT}/discovery/v2.0/keys"
        self.keys_url = web.file(path, json.dumps(keys).encode())

    def application(self, version: int, oid: str, **changes: Any) -> str:
        """What an application, or a managed identity, gets for itself."""
        app = {1: ("appid", "appidacr"), 2: ("azp", "azpacr")}[version]
        about = {app[0]: "9f1b6c0e-3a52-4d36-8a3c-d5a1b5f0c7aa", app[1]: "2", "idtyp": "app"}
        return self._signed(version, {"sub": oid, "oid": oid, **about, **changes})

    def person(self, version: int, oid: str, **changes: Any) -> str:
        """What somebody gets who has logged in with the Azure CLI."""
        named = {1: "unique_name", 2: "preferred_username"}[version]
        about = {named: "ada@contoso.com", "name": "Ada", "scp": "user_impersonation"}
        # Of one person, another with each application: no name to give a role to.
        pairwise = "KQ9Xn4r2dP1sYbXcWv7m0TzUe3hJfLgA8oRiNqBvEsk"
        return self._signed(version, {"sub": pairwise, "oid": oid, **about, **changes})

    def _signed(self, version: int, claims: dict[str, Any]) -> str:
        now = int(time.time())
        said = {
            "aud": {1: APPLICATION_URI, 2: APPLICATION}[version],
            "iss": {1: ISSUER_V1, 2: ISSUER_V2}[version],
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + 3600,
            "aio": "E2ZgYFjCvvn4nd",
            "rh": "1.AAAAdJ-Yvgk",
            "tid": TENANT,
            "uti": "vEyq0wCz-k-VqQx8YNQ7AA",
            "ver": f"{version}.0",
            **claims,
        }
        header = {"kid": _KID} | ({"x5t": _KID} if version == 1 else {})
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(kept, self._key, algorithm="RS256", headers=header)
