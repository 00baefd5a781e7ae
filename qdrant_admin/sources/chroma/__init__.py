"""Chroma: its folder on disk and its server."""
