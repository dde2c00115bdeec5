"""What can be written in YAML: each kind's fields, for reading, sending, showing and schemas."""
