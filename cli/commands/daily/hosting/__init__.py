"""A host on this machine: in the foreground, and as a service."""
