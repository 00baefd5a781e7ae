"""Weaviate's server."""
