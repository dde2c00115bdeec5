"""What the installation works by: its queues."""
