"""Hosts as services of the machine, by systemd."""
