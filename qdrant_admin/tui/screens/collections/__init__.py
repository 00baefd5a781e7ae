"""The collections screen."""
