"""The verify screen."""
