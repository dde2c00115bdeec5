"""Commands about events, going out and coming in."""
