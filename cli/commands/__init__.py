"""One module for each group of commands; only the one that was asked for is imported."""
