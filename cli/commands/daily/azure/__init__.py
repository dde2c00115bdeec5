"""Beside Azure's own command line."""
