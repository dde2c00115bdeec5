"""What a test can make the broker do wrong, each one once and in order."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Refuse:
    """Answer with an error of this condition."""

    condition: str
    description: str = "as the test wants it"


@dataclass(frozen=True)
class Drop:
    """End the connection instead of answering; `stored` says whether the request was done."""

    stored: bool = False


@dataclass(frozen=True)
class Ignore:
    """Never answer."""


@dataclass(frozen=True)
class Detach:
    """Detach the link with an error of this condition instead of answering."""

    condition: str = "amqp:link:detach-forced"


Fault = Refuse | Drop | Ignore | Detach

BUSY = Refuse("com.microsoft:server-busy", "The request was terminated because the entity is busy.")


@dataclass
class Faults:
    """`sends` are met by the sends that come next, `deliveries` (Drop, Detach) by the messages
    that are handed out next, `settlements` by what receivers settle next, `management` by
    the next requests and `attaches` (Refuse) by the links that are opened next."""

    sends: deque[Fault] = field(default_factory=deque)
    deliveries: deque[Drop | Detach] = field(default_factory=deque)
    settlements: deque[Drop | Ignore] = field(default_factory=deque)
    management: deque[Refuse | Drop | Ignore] = field(default_factory=deque)
    attaches: deque[Refuse] = field(default_factory=deque)
    delay: float = 0.0
    """Seconds before a send is answered."""
