"""How what an installation has in a resource group is told from what is not its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.compute.ground.owners import payer_tags
from infra.compute.remote.fleet import NodeGroup

INSTALLATION: Final = "ml-endpoints.installation"
GROUP: Final = "ml-endpoints.group"
KEY: Final = "ml-endpoints.key"
NUMBER: Final = "ml-endpoints.number"
LIFE: Final = "ml-endpoints.life"
LIVES: Final = "ml-endpoints.lives"
ATTEMPT: Final = "ml-endpoints.attempt"
_LONGEST: Final = 256
"""Characters of a tag's value."""
_GONE_NUMBERS: Final = 16
_GONE_LIVES: Final = 3


@dataclass(frozen=True)
class Place:
    """Which life of which node. `lives` counts those that ended one after the other."""

    number: int
    life: int
    lives: int


def name_of(installation: str, group: str, place: Place) -> str:
    """Of the app: the same for everybody who makes it, and within the platform's 32 characters,
    whatever the group is called."""
    told = f"{installation}/{group}/{place.number}/{place.life}"
    return f"ml-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def node_id(group: str, place: Place) -> str:
    return f"{group}-{place.number}.{place.life}"


def names_of(installation: str, group: str, there: Sequence[Place]) -> Mapping[str, str]:
    """The ids of nodes by the names of their apps: of those that are `there`, of all lives before,
    and of further numbers, which may have gone when there was less to do."""
    lives = {place.number: place.life + 1 for place in there}
    places = (
        Place(number, life, 0)
        for number in range(max(lives, default=-1) + 1 + _GONE_NUMBERS)
        for life in range(lives.get(number, _GONE_LIVES))
    )
    return {name_of(installation, group, each): node_id(group, each) for each in places}


def tags_of(installation: str, group: NodeGroup, place: Place) -> Mapping[str, str]:
    return {
        **payer_tags(group.key),
        INSTALLATION: installation,
        GROUP: group.name,
        KEY: group.key[:_LONGEST],
        NUMBER: str(place.number),
        LIFE: str(place.life),
        LIVES: str(place.lives),
        ATTEMPT: str(group.attempt),
    }
