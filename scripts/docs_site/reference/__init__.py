"""Pages made of the code."""
