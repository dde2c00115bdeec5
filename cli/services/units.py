"""The units by which systemd keeps a host: a socket that it holds open, and the service."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/etc/systemd/system")
_RESERVE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class HostService:
    """`command` starts a host that listens on the socket it is given; `variables` are its
    environment. `user` is None for a unit of one's own."""

    name: str
    address: str
    data_dir: Path
    command: Sequence[str]
    variables: Mapping[str, str]
    user: str | None

    @property
    def socket_name(self) -> str:
        return f"{self.name}.socket"

    @property
    def service_name(self) -> str:
        return f"{self.name}.service"

    def files(self, folder: Path) -> dict[Path, str]:
        """What stands where."""
        return {
            folder / self.socket_name: self._socket(),
            folder / self.service_name: self._service(),
        }

    def _socket(self) -> str:
        return _unit(
            {
                "Unit": [("Description", f"Where ml-endpoints ({self.name}) is reached")],
                "Socket": [
                    ("ListenStream", self.address),
                    ("Backlog", "2048"),
                    ("NoDelay", "yes"),
                    ("Accept", "no"),
                ],
                "Install": [("WantedBy", "sockets.target")],
            }
        )

    def _service(self) -> str:
        target = "default.target" if self.user is None else "multi-user.target"
        network = ["network-online.target"] if self.user is not None else []
        variables = {"PATH": _RESERVE, **self.variables}
        return _unit(
            {
                "Unit": [
                    ("Description", f"ml-endpoints ({self.name})"),
                    ("Requires", self.socket_name),
                    ("After", " ".join([self.socket_name, *network])),
                    *(("Wants", each) for each in network),
                    ("StartLimitIntervalSec", "300"),
                    ("StartLimitBurst", "5"),
                ],
                "Service": [
                    ("Type", "notify"),
                    *([("User", self.user)] if self.user is not None else []),
                    ("WorkingDirectory", _escaped(str(self.data_dir))),
                    ("ExecStart", " ".join(_argument(each) for each in self.command)),
                    *(
                        ("Environment", _quoted(f"{name}={value}"))
                        for name, value in variables.items()
                    ),
                    ("Restart", "on-failure"),
                    ("RestartSec", "2"),
                    # Wrong settings, or the data folder in use: starting again mends neither.
                    ("RestartPreventExitStatus", "2"),
                    # The host ends what it has started, and jobs in flight are handed back.
                    ("KillMode", "mixed"),
                    ("TimeoutStartSec", "300"),
                    ("TimeoutStopSec", "120"),
                    ("LimitNOFILE", "65536"),
                    # Scripts are held to their memory by control groups below the service's own.
                    ("Delegate", "yes"),
                    ("UMask", "0077"),
                ],
                "Install": [("WantedBy", target), ("Also", self.socket_name)],
            }
        )


def _unit(sections: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    parts = [
        "\n".join([f"[{title}]", *(f"{name}={value}" for name, value in lines)])
        for title, lines in sections.items()
    ]
    return "\n\n".join(["# Written by `mle service install`.", *parts]) + "\n"


def _escaped(text: str) -> str:
    """systemd fills `%` in."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    inside = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def _argument(text: str) -> str:
    """Of a command line, where `$` is a variable's."""
    told = text.replace("$", "$$")
    return _quoted(told) if shlex.quote(text) != text or "%" in text else told
