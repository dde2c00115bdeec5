"""Files on their way to a host, and the assets they become."""
