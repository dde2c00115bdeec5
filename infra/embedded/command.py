"""What `python -m infra.embedded` does: run an app on this machine, and see to its clients."""

import argparse
import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from domain.errors import DomainError, StorageFull
from domain.ground.access import ROLES
from infra.compute.ground.isolation_telling import NotIsolated
from infra.compute.succession import DoesNotComeUp
from infra.embedded import copy_commands
from infra.embedded.access.clients import ClientCredentials, ClientRegistry
from infra.embedded.access.connection_file import Connection, remove_connection, welcome
from infra.embedded.access.private_files import keep_private
from infra.embedded.access.tls import CertificateError
from infra.embedded.blobs.revocations import Revocations
from infra.embedded.data_folder import DataFolder, DataFolderInUse, HostLock
from infra.embedded.host.address import Address, AddressError, bound, passed
from infra.embedded.host.functions import AppError
from infra.embedded.host.host import Host
from infra.embedded.host.host_json import HostJson, read_host_json
from infra.embedded.host.logs import start_logging
from infra.embedded.http.open_files import TooFewFiles
from infra.embedded.service_manager import ServiceManager
from infra.embedded.services import EmbeddedServices
from infra.embedded.succession.predecessor import NotGiven, Predecessor
from infra.embedded.succession.successors import Successors
from infra.settings import Settings, SettingsError, read_values
from infra.settings.adapters import EmbeddedSettings, InstallationSettings

_REFUSED = 2
_SWITCH = 0.001
"""Seconds."""
_DATA_DIR = EmbeddedSettings.environment_name("data_dir")

_EPILOG = """\
settings:
  ML_ENDPOINTS_* in the environment, over "Values" of ./local.settings.json
  (see local.settings.sample.json); ./host.json, or the app's, holds the triggers' limits.

clients of the token issuer:
  python -m infra.embedded clients {add,list,role,secret,remove} --help

a signed URL that leaked:
  python -m infra.embedded urls revoke --help

a copy while a host runs, and hosts that wait until they are told:
  python -m infra.embedded {backup,pause,resume} --help

exit status: 0 after a clean stop, 1 when the app failed, 2 when it could not start
(wrong settings, port or data folder in use).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["clients"]:
        return _clients(given[1:])
    if given[:1] == ["urls"]:
        return _urls(given[1:])
    if given and given[0] in copy_commands.COMMANDS:
        return copy_commands.run(given[0], given[1:])
    options = _parser().parse_args(given)
    try:
        return _serve(options)
    except (
        SettingsError,
        AppError,
        AddressError,
        CertificateError,
        DataFolderInUse,
        NotGiven,
        NotIsolated,
        TooFewFiles,
    ) as error:
        return _refuse(str(error))
    except DoesNotComeUp as error:
        return _refuse(f"nothing is taken over: {error}")
    except StorageFull as error:
        return _refuse(f"the host cannot run: {error.message}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _refuse(f"the host cannot run, its disk is full: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.embedded",
        description="Run an Azure Functions app on this machine: HTTPS, queues, blob arrivals"
        " and timers, everything kept in one data folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "app",
        nargs="?",
        default="function_app:app",
        help="the FunctionApp, as module:attribute (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_port, default=7443, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="where everything is kept (default: the setting, else .data)"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="take the place of the host that runs on the data folder, and its address, with no"
        " request lost; without one, begin as usual",
    )
    parser.add_argument("--http", action="store_true", help="plain HTTP, without TLS")
    parser.add_argument(
        "--welcome", action="store_true", help="when ready, print how to connect and get a token"
    )
    parser.add_argument("--log-requests", action="store_true", help="one log line per HTTP request")
    return parser


def _serve(options: argparse.Namespace) -> int:
    keep_private()
    here = Path.cwd()
    values = read_values(os.environ, here / "local.settings.json")
    host_json = read_host_json(_host_json(here))
    data_dir = options.data_dir or values.get(_DATA_DIR, "").strip() or ".data"
    folder = DataFolder(Path(data_dir).absolute())
    predecessor = Predecessor.on(folder) if options.take_over else None
    try:
        if predecessor is None:
            folder.make()
            lock = HostLock.on(folder)
        else:
            lock = predecessor.lock
    except OSError as error:
        return _refuse(f"the data folder {folder.root} cannot be used: {error}")
    try:
        if predecessor is None:
            remove_connection(folder)
        address = _address(options) if predecessor is None else predecessor.address
        # What the Functions host would do: the app finds its settings in its environment.
        os.environ.update(_environment(values, folder, address.url))
        settings = Settings.read(os.environ)
        stop_logging = start_logging(settings.embedded.log_level, folder.root)
        try:
            successors = Successors(folder, address, lock)
            return _run(options, settings, address, host_json, (successors, predecessor))
        finally:
            stop_logging()
    finally:
        lock.release()


def _run(
    options: argparse.Namespace,
    settings: Settings,
    address: Address,
    host_json: HostJson,
    line: tuple[Successors, Predecessor | None],
) -> int:
    """`line`: who comes after this host, and whom it comes after."""
    folder = DataFolder(settings.embedded.data_dir)
    manager = ServiceManager(os.environ)

    def announce(connection: Connection) -> None:
        _say(f"ready {connection.url}")
        manager.tell("READY=1")
        if options.welcome:
            _say(welcome(connection, folder))

    async def run() -> None:
        services = EmbeddedServices.open(settings)
        host = Host(
            options.app,
            services,
            address,
            host_json,
            dict(os.environ),
            *line,
            log_requests=options.log_requests,
        )
        await host.run(_stop_on_signals(), announce)
        manager.tell("STOPPING=1")

    # What another thread computes (a log line, a document) may hold no request up for longer.
    sys.setswitchinterval(_SWITCH)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())
    return 0


def _address(options: argparse.Namespace) -> Address:
    tls = not options.http
    return passed(os.environ, tls=tls) or bound(options.host, options.port, tls=tls)


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process where it stands
    (nothing acknowledged is lost by that)."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(128 + signal.SIGINT)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def _environment(values: Mapping[str, str], folder: DataFolder, url: str) -> dict[str, str]:
    environment = dict(values)
    for field, value in (("platform", "embedded"), ("base_url", url)):
        name = InstallationSettings.environment_name(field)
        if not environment.get(name, "").strip():
            environment[name] = value
    environment[_DATA_DIR] = str(folder.root)
    environment[InstallationSettings.environment_name("host")] = "embedded"
    return environment


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _host_json(here: Path) -> Path:
    """That of the folder one is in; else the app's own, which lies beside its packages."""
    own = here / "host.json"
    return own if own.exists() else Path(__file__).parents[2] / "host.json"


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return port


def _clients(arguments: Sequence[str]) -> int:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", type=Path, default=Path(".data"), help="default: .data")
    parser = argparse.ArgumentParser(
        prog="python -m infra.embedded clients",
        description="Clients of the embedded token issuer. A running host takes them up at once.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", parents=[common], help="make one; prints its secret, once")
    add.add_argument("name")
    parts = "for a part, scorer/onlineEndpoints/iris; several with commas between"
    roles = f"{', '.join(ROLES)}; {parts} (default: %(default)s)"
    add.add_argument("--role", default="reader", help=roles)
    commands.add_parser("list", parents=[common], help="who there is")
    role = commands.add_parser("role", parents=[common], help="give one another role")
    role.add_argument("name")
    role.add_argument("role", help=f"{', '.join(ROLES)}; {parts}")
    secret = commands.add_parser("secret", parents=[common], help="a new secret; prints it, once")
    secret.add_argument("name")
    remove = commands.add_parser("remove", parents=[common], help="take one away")
    remove.add_argument("name")
    options = parser.parse_args(list(arguments))
    registry = ClientRegistry(DataFolder(options.data_dir.absolute()).secrets)
    try:
        match options.command:
            case "add":
                _say_credentials(registry.add(options.name, options.role))
            case "secret":
                _say_credentials(registry.renew(options.name))
            case "role":
                registry.change_role(options.name, options.role)
            case "list":
                for client in registry.list():
                    _say(f"{client.name:<24} {client.role:<12} {client.client_id}")
            case "remove":
                registry.remove(options.name)
    except DomainError as error:
        return _refuse(error.message)
    return 0


def _urls(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.embedded urls",
        description="Signed URLs of blobs, whether or not a host runs.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    revoke = commands.add_parser("revoke", help="one that leaked does nothing any more")
    revoke.add_argument("url", help="the URL, or the query that listSecrets gave")
    revoke.add_argument("--data-dir", type=Path, default=Path(".data"), help="default: .data")
    options = parser.parse_args(list(arguments))
    folder = DataFolder(options.data_dir.absolute())
    if not folder.secrets.is_dir():
        return _refuse(f"{folder.root} is no data folder of a host")
    keep_private()
    [id, *_] = parse_qs(options.url.rpartition("?")[2]).get("si", [""])
    try:
        Revocations.of(folder.root).revoke(id)
    except DomainError as error:
        return _refuse(error.message)
    _say("It is taken back.")
    return 0


def _say_credentials(made: ClientCredentials) -> None:
    _say(f"client_id      {made.client_id}\nclient_secret  {made.client_secret}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return _REFUSED
