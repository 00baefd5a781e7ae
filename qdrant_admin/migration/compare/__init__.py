"""Comparing what the target holds with its source: ids both ways, content, and what a search finds."""
