"""The network that containers are in, and what it does not lead to."""
