"""The studio served on this machine, in front of a host: `mle studio`."""
