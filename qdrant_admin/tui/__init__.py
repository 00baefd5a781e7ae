"""The terminal interface: draws the same events as a live screen."""
