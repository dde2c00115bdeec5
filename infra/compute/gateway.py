"""How the network that nodes are in meets the machine that they run on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gateway:
    """`address`: that machine's in the network, as nodes reach it. `network` is `10.1.0.0/16`."""

    address: str
    network: str
