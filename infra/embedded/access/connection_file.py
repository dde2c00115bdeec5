"""connection.json: what a script needs to talk to the host."""

import json
from pathlib import Path

from pydantic import ConfigDict

from domain.values import Value
from infra.embedded.access.private_files import write_private
from infra.embedded.data_folder import DataFolder


class Connection(Value):
    """`workspace` is the full ARM id; `inbox` the folder that is the `batch-inbox`
    container; `ca_file` is None over plain HTTP."""

    model_config = ConfigDict(alias_generator=None)

    url: str
    ca_file: Path | None
    token_url: str
    client_id: str
    client_secret: str
    workspace: str
    inbox: str

    def write(self, folder: DataFolder) -> None:
        """There at once and whole, for its owner only; there means that the host is ready."""
        write_private(folder.connection, json.dumps(self.to_document(), indent=2).encode())


def remove_connection(folder: DataFolder) -> None:
    """No host is ready (any more): a script must not find the last one's address."""
    folder.connection.unlink(missing_ok=True)


def welcome(connection: Connection, folder: DataFolder) -> str:
    """What a person at a terminal wants to know first."""
    ca = f" --cacert {connection.ca_file}" if connection.ca_file else ""
    field = "python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])'"
    trusted = f"trust its CA    {connection.ca_file}\n  " if connection.ca_file else ""
    return f"""
ml-endpoints is up.

  URL             {connection.url}
  {trusted}workspace       {connection.workspace}
  inbox           {connection.inbox}   (drop files in a folder named like a batch endpoint)
  everything      {folder.root}   (and {folder.connection.name} in it, for scripts)

From the command line, in this folder: `mle status`, `mle --help`
(in a checkout `mle` is .venv/bin/python -m cli).

Or by REST. Get a token (an owner's, for an hour):

  SECRET=$({field} client_secret < {folder.connection})
  TOKEN=$(curl -s{ca} {connection.token_url} \\
      -d grant_type=client_credentials -d client_id={connection.client_id} \\
      --data-urlencode client_secret="$SECRET" | {field} access_token)

List the online endpoints:

  curl{ca} -H "Authorization: Bearer $TOKEN" \\
      '{connection.url}{connection.workspace}/onlineEndpoints?api-version=2024-10-01'

More clients: python -m infra.embedded clients add NAME --role reader --data-dir {folder.root}
Ctrl-C stops the host; what it keeps is there when it starts again.
"""
