"""Makes a plan hold, and runs its command.

With namespaces there are two processes before the command's: this one, which the host knows, and
the first of the namespace, with which all in it ends. Each passes signals to end on, and ends as
the command does.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import sys
from types import FrameType
from typing import NoReturn

from . import kernel, landlock, view
from .plan import Plan

_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_SETUP_FAILED = 70


def run(plan: Plan) -> NoReturn:
    """Ends as the command ends. What cannot be made to hold is said on standard error, and the
    command is not run."""
    try:
        os.umask(0o077)
        if plan.cores:
            os.sched_setaffinity(0, plan.cores)
        listener = _listener(plan.socket)
        cgroups = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in plan.cgroups]
        if plan.namespaces:
            _run_within(plan, listener, cgroups)
        _become(plan, listener, cgroups, within=False)
    except OSError as error:
        _fail(error)


def _listener(path: str) -> socket.socket | None:
    if not path:
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(1024)
    return listener


def _own_places(plan: Plan) -> dict[str, str]:
    """What it may write to, by where it sees it. It is its user's from here on, its log too. (Only
    what is opened within a namespace of mounts can be shown there.)"""
    own = {f"{plan.written}/{path}": view.opened(plan.hidden, path) for path in plan.writable}
    own["/tmp"] = os.open(plan.home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    places = {target: f"/proc/self/fd/{place}" for target, place in own.items()}
    if plan.user:
        for place in places.values():
            os.chown(place, plan.user, plan.user)
        if stat.S_ISREG(os.fstat(1).st_mode):
            os.fchown(1, plan.user, plan.user)
    return places


def _run_within(plan: Plan, listener: socket.socket | None, cgroups: list[int]) -> NoReturn:
    _unshare_processes(plan)
    report, told = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(report)
        _be_first(plan, listener, cgroups, told)
    os.close(told)
    if listener is not None:
        listener.close()
    kernel.die_with_parent(signal.SIGKILL)
    ended = _attend(first)
    # The first process of a namespace cannot end by a signal: it says how the command did.
    status = int(os.read(report, 16) or ended)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _unshare_processes(plan: Plan) -> None:
    """The next process that this one starts is the first of a namespace."""
    if plan.namespaces == "root":
        kernel.unshare(kernel.NEW_PROCESSES)
        return
    user, group = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEW_USER | kernel.NEW_PROCESSES)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _be_first(
    plan: Plan, listener: socket.socket | None, cgroups: list[int], told: int
) -> NoReturn:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        alone = 0 if plan.network else kernel.NEW_NETWORK
        kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | alone)
        if not plan.network:
            _bring_loopback_up()
        readable = [*view.system_files(plan.hidden), *view.lent(plan.readable, plan.hidden)]
        writable = {
            **{path: path for path in plan.shared if os.path.isdir(path)},
            **_own_places(plan),
        }
        view.enter(plan.root, readable=readable, writable=writable)
        command = os.fork()
        if command == 0:
            os.setsid()
            _become(plan, listener, cgroups, within=True)
    except OSError as error:
        _fail(error)
    os.close(0)
    if listener is not None:
        listener.close()
    status = _attend(command)
    os.write(told, str(status).encode())
    os._exit(0)


def _become(
    plan: Plan, listener: socket.socket | None, cgroups: list[int], *, within: bool
) -> NoReturn:
    try:
        for cgroup in cgroups:
            os.write(cgroup, b"0")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        kernel.bound_capabilities()
        if plan.user:
            os.setgroups([])
            os.setresgid(plan.user, plan.user, plan.user)
            os.setresuid(plan.user, plan.user, plan.user)
        kernel.drop_capabilities()
        kernel.gain_nothing()
        kernel.die_with_parent(signal.SIGKILL)
        if plan.landlock:
            _restrict(plan, within=within)
        os.chdir(plan.folder)
        command = plan.command
        if listener is not None:
            os.set_inheritable(listener.fileno(), True)
            command = [*command, "--socket", f"fd:{listener.fileno()}"]
        os.execve(command[0], command, plan.environment)
    except OSError as error:
        _fail(error)


def _restrict(plan: Plan, *, within: bool) -> None:
    log = ["/proc/self/fd/1"] if stat.S_ISREG(os.fstat(1).st_mode) else []
    own = [f"{plan.written}/{path}" for path in plan.writable]
    writable = [*own, *plan.shared, *log, "/dev/shm", "/tmp" if within else plan.home]
    readable = ["/"]
    if not within:
        system = view.system_files(plan.hidden)
        given = view.lent(plan.readable, plan.hidden)
        readable = [*system, *given, *view.shown_of_processes()]
    landlock.restrict(
        landlock.version(),
        readable=readable,
        usable=["/dev"] if within else view.devices(),
        writable=writable,
        network=plan.network or within,
    )


def _attend(child: int) -> int:
    """How the child ended; others that end meanwhile were started by it."""

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            for number in _PASSED_ON:
                signal.signal(number, signal.SIG_IGN)
            return status


def _bring_loopback_up() -> None:
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH14x", b"lo", 0x1 | 0x40)
        fcntl.ioctl(any_socket, 0x8914, up)


def _fail(error: OSError) -> NoReturn:
    sys.stderr.write(f"It cannot be isolated as it should be: {error}\n")
    sys.stderr.flush()
    os._exit(_SETUP_FAILED)
