"""What waits: files in the inbox, and messages that queues have put aside."""
