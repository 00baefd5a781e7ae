"""The migrate screen."""
