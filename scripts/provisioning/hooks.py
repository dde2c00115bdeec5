"""azd's hooks: `python -m scripts.provisioning.hooks preprovision` and `... postprovision`. Either
can be run again at any time, on any machine."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from scripts.provisioning import application, vault
from scripts.provisioning.azure_cli import AzureCli, Failed, Run, keep, run

APPLICATION_ID = "ENTRA_APPLICATION_ID"

OUTPUTS = {"AZURE_RESOURCE_GROUP", "KEY_VAULT_NAME", "FUNCTION_APP_NAME"}
"""Of infra/bicep/main.bicep."""


def preprovision(environment: Mapping[str, str], cli: AzureCli, run: Run) -> None:
    """The app registration, unless another one was chosen; and the vault of an installation that
    was removed."""
    name = environment["AZURE_ENV_NAME"]
    if environment.get(APPLICATION_ID):
        print(f"Tokens are for the app registration {environment[APPLICATION_ID]}.")
    else:
        made = application.registered(cli, f"ml-endpoints-{name}")
        keep(run, {APPLICATION_ID: made.client_id}, name)
        print(f"Tokens are for {made.uri}.")
        someone = application.own_object_id(cli)
        if someone is None:
            print("Nobody is owner yet: `python -m scripts.provisioning.application` says how.")
        else:
            application.assign(cli, made, "owner", someone)
            print("Whoever is logged in is owner.")
    # As main.bicep names it.
    if (brought_back := vault.recovered(cli, f"rg-{name}")) is not None:
        print(f"The vault {brought_back}, which had been deleted, is back, with its key.")


def postprovision(environment: Mapping[str, str], cli: AzureCli, run: Run) -> None:
    """The key in the vault, where there is none."""
    group, app = environment["AZURE_RESOURCE_GROUP"], environment["FUNCTION_APP_NAME"]
    if vault.key_made(cli, group, environment["KEY_VAULT_NAME"]):
        vault.references_read(cli, group, app)
        print(f"A cipher key was made in the vault {environment['KEY_VAULT_NAME']}.")


HOOKS: Mapping[str, Callable[[Mapping[str, str], AzureCli, Run], None]] = {
    "preprovision": preprovision,
    "postprovision": postprovision,
}


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in HOOKS:
        print(f"one of {', '.join(HOOKS)} is needed", file=sys.stderr)
        return 2
    try:
        cli = AzureCli(os.environ["AZURE_SUBSCRIPTION_ID"], run, time.sleep)
        HOOKS[arguments[0]](os.environ, cli, run)
    except KeyError as missing:
        print(f"azd sets {missing}, which is missing: run this by `azd`.", file=sys.stderr)
        return 1
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
