"""What a node is and how it does, for whoever asks."""

from __future__ import annotations

import secrets
import time
from typing import Any

from .. import __version__
from .beside.gate import Gate
from .faults import NodeFailed
from .files.artifacts import Artifacts
from .identity.tokens import Tokens
from .logs import Log
from .processes.crew import Crew
from .spec import CONTRACT, Spec
from .units.attempts import Attempts
from .units.own_files import OwnFiles
from .usage import usage

FETCHING, STARTING, READY = "fetching", "starting", "ready"
DRAINING, FAILED = "draining", "failed"


class Node:
    def __init__(self, id: str, spec: Spec, printed: Log, story: Log, artifacts: Artifacts) -> None:
        self.id = id
        self.life = secrets.token_hex(8)
        self.spec = spec
        self.printed = printed
        """What its processes print."""
        self.story = story
        """How its files came."""
        self.artifacts = artifacts
        self.crew = Crew()
        self.attempts: Attempts | None = None
        self.own_files: OwnFiles | None = None
        self.gate: Gate | None = None
        """Before a server of the user's own."""
        self.tokens = Tokens()
        """Of its identities, where it may have some."""
        self.fetched = False
        self.draining = False
        self.failure: NodeFailed | None = None
        self._began = time.monotonic()

    @property
    def phase(self) -> str:
        if self.draining:
            return DRAINING
        if self.failure is not None:
            return FAILED
        if not self.fetched:
            return FETCHING
        if self.crew.ready:
            return READY
        return FAILED if self.crew.failure is not None else STARTING

    @property
    def why(self) -> NodeFailed | None:
        return self.failure or self.crew.failure

    def state(self) -> dict[str, Any]:
        why, death, progress = self.why, self.crew.last_death, self.artifacts.progress
        spec = self.spec
        serves = spec.mode == "serve"
        return {
            "contract": CONTRACT,
            "version": __version__,
            "node": self.id,
            "life": self.life,
            "revision": spec.revision,
            "mode": spec.mode,
            "phase": self.phase,
            "workers": spec.serve.workers if serves else spec.work.processes,
            "ready": self.crew.ready,
            "silent": self.crew.silent,
            "restarts": self.crew.restarts,
            "over": self.draining and all(each.is_over for each in self.crew.workers),
            "code": why.code if why else None,
            "reason": why.reason if why else None,
            "last_death": death._asdict() if death else None,
            "fetched": progress._asdict(),
            "wants_urls": self.artifacts.wants_urls,
            "wants_tokens": spec.identity is not None and self.tokens.wanted,
            "idle_seconds": self.attempts.load()["idle_seconds"] if self.attempts else 0.0,
            "uptime_seconds": round(time.monotonic() - self._began, 3),
        }

    async def load(self) -> dict[str, float]:
        """How much it is at, and what it takes of its machine."""
        return {**await self._load(), **usage()}

    async def _load(self) -> dict[str, float]:
        if self.gate is not None:
            return self.gate.load()
        if self.attempts is None:
            return await self.crew.load()
        return self.attempts.load()
