"""LanceDB folders and tables."""
