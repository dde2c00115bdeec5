"""What of isolation this machine has: each part is tried once, and none is taken for granted."""

import functools
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.compute.ground.routes import route_rules
from infra.compute.local.isolation import cgroups
from infra.compute.local.isolation.means import USERS, Means, Namespaces, Network
from infra.compute.local.isolation.plans import Plan, for_python, launcher, paths

_log = logging.getLogger(__name__)

_TIME: Final = 20.0


@functools.cache
def means_here(network: Network, runtime: Path) -> Means:
    """Blocking, for some tens of milliseconds, once in a process."""
    if not sys.platform.startswith("linux"):
        return Means()
    namespaces: Namespaces = "root" if os.geteuid() == 0 else "user"
    known = _holds(namespaces, network, runtime)
    if known < 0:
        namespaces = ""
        known = max(0, _holds(namespaces, network, runtime))
    means = Means(namespaces, known)
    if not means.any:
        return means
    return Means(namespaces, known, tuple(cgroups.usable().items()), _refuses(means.users))


@functools.cache
def cuts_networks(namespaces: Namespaces, runtime: Path) -> bool:
    """Whether a command that is kept apart so can be without a network. Blocking, as above."""
    return namespaces != "" and _holds(namespaces, "none", runtime) >= 0


def _refuses(users: range) -> bool:
    if not users:
        return False
    try:
        route_rules.refuse_users(users)
    except OSError as error:
        _log.info("No routes can be made for scripts' users: %s", error)
        return False
    return True


def _holds(namespaces: Namespaces, network: Network, runtime: Path) -> int:
    """The version of Landlock that a command can use which is kept apart so; -1 if none can be
    run."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="mle-trial-")))
    python = Path(os.path.realpath(sys.executable))
    try:
        for name in ("root", "home"):
            (folder / name).mkdir()
        plan = Plan(
            command=[str(python), "-I", "-S", str(runtime), "sandbox"],
            environment={},
            folder="/",
            readable=paths(runtime, *for_python(python)),
            writable=[],
            shared=[],
            hidden=str(folder),
            written=str(folder),
            home=str(folder / "home"),
            root=str(folder / "root"),
            namespaces=namespaces,
            user=USERS.start if namespaces == "root" else 0,
            landlock=True,
            network=network == "allow",
        )
        ended = _run(plan, runtime)
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.info("Scripts cannot be kept apart by %s: %s", namespaces or "Landlock", error)
        return -1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip()
        _log.info("Scripts cannot be kept apart by %s: %s", namespaces or "Landlock", said)
        return -1
    return int(ended.stdout)


def _run(plan: Plan, runtime: Path) -> subprocess.CompletedProcess[bytes]:
    descriptor = plan.to_read()
    try:
        return subprocess.run(
            launcher(runtime, descriptor),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            pass_fds=[descriptor],
            timeout=_TIME,
            check=False,
        )
    finally:
        os.close(descriptor)
