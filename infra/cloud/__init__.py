"""Adapters over Azure's services."""
