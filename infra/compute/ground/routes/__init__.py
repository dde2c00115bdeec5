"""What no script may reach by the network."""
