"""What is run beside the app and is no part of it. Standard library alone: it runs with whatever
Python a machine has."""
