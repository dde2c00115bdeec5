"""Short commands for every day."""
