"""A host as the command line knows it: where it is, who calls, and its REST."""
