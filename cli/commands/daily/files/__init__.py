"""Commands about files that describe resources."""
