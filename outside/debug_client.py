"""A client of the Debug Adapter Protocol, as an editor is one."""

import json
import socket
from typing import Any, Self

from outside.waiting import PATIENCE

Message = dict[str, Any]


class DebugClient:
    """Attached to a debugger that listens at `port` of this machine. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")
        self._sent = 0
        self._came: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def attach(self, breakpoints: dict[str, list[int]]) -> list[bool]:
        """Whether each of the breakpoints, lines of files, has a place in the program."""
        self.ask("initialize", adapterID="outside", linesStartAt1=True, pathFormat="path")
        attached = self._send("attach", {"justMyCode": True, "subProcess": False})
        self.event("initialized")
        verified = []
        for path, lines in breakpoints.items():
            asked = [{"line": line} for line in lines]
            told = self.ask("setBreakpoints", source={"path": path}, breakpoints=asked)
            verified += [each["verified"] for each in told["breakpoints"]]
        self.ask("configurationDone")
        self._answer(attached)
        return verified

    def ask(self, command: str, **arguments: Any) -> Message:
        """The body of the answer. Fails where it says that it could not be done."""
        return self._answer(self._send(command, arguments))

    def event(self, name: str) -> Message:
        """The body of the next event of that name."""
        found = self._next(lambda each: each["type"] == "event" and each["event"] == name)
        body: Message = found.get("body") or {}
        return body

    def _send(self, command: str, arguments: Message) -> int:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command}
        text = json.dumps({**message, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        return self._sent

    def _answer(self, sent: int) -> Message:
        found = self._next(lambda each: each.get("request_seq") == sent)
        assert found["success"], found
        body: Message = found.get("body") or {}
        return body

    def _next(self, wanted: Any) -> Message:
        for number, message in enumerate(self._came):
            if wanted(message):
                return self._came.pop(number)
        while not wanted(message := self._read()):
            self._came.append(message)
        return message

    def _read(self) -> Message:
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: Message = json.loads(self._file.read(length))
        return message
