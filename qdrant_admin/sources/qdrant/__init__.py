"""Qdrant itself: another server, or the folder of qdrant-client's embedded mode."""
